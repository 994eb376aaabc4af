import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatDuration, formatRate, parseBytes, parseDuration } from '#dist/units'

const MIB = 2 ** 20
const argumentError = { code: 'ERR_TIDEMARK_ARGUMENT' }

test('bytes are written in binary units, one decimal below ten', () => {
  const written = [0, 1, 1023, 1024, 1536, 524_288, 1.5 * MIB, 9.96 * MIB, 412 * MIB, 1023.7 * MIB, 2 ** 40, 2 ** 52]
  assert.deepEqual(
    written.map((bytes) => formatBytes(bytes)),
    [
      '0 B',
      '1 B',
      '1023 B',
      '1 KiB',
      '1.5 KiB',
      '512 KiB',
      '1.5 MiB',
      '10 MiB',
      '412 MiB',
      '1 GiB',
      '1 TiB',
      '4096 TiB',
    ],
  )
})

test('negative bytes have a sign, and growth has one when asked for; nothing has none', () => {
  assert.equal(formatBytes(-1.5 * MIB), '-1.5 MiB')
  assert.equal(formatBytes(1.5 * MIB, { signed: true }), '+1.5 MiB')
  assert.equal(formatBytes(0, { signed: true }), '0 B')
  assert.equal(formatBytes(-0.2, { signed: true }), '0 B')
})

test('sizes are read as bytes or with a binary unit', () => {
  for (const [text, bytes] of [
    ['4096', 4096],
    ['0', 0],
    ['512KiB', 524_288],
    ['1MiB', MIB],
    ['1mib', MIB],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['12 B', 12],
  ] as const) {
    assert.equal(parseBytes(text), bytes)
  }
})

test('a size that is none, or could mean two things, is refused', () => {
  for (const text of ['', 'MiB', '1MB', '1k', '-1', '1e3', '1,5MiB', '0x10', '9999999TiB', 'NaN']) {
    assert.throws(() => parseBytes(text), argumentError, text)
  }
})

test('every size that is written is read back within its rounding', () => {
  for (let bytes = 1; bytes < 2 ** 45; bytes = Math.ceil(bytes * 1.37)) {
    assert.ok(Math.abs(parseBytes(formatBytes(bytes)) / bytes - 1) <= 0.05, `${bytes}`)
  }
})

test('durations are written in the unit that reads well', () => {
  const durations = [0, 250, 999.6, 20e3, 1500, 99e3, 32 * 60e3, 2.5 * 3600e3, 24 * 3600e3, 3 * 86_400e3]
  assert.deepEqual(durations.map(formatDuration), [
    '0 ms',
    '250 ms',
    '1 s',
    '20 s',
    '1.5 s',
    '99 s',
    '32 min',
    '2.5 h',
    '24 h',
    '3 days',
  ])
})

test('durations are read with their unit', () => {
  for (const [text, ms] of [
    ['1s', 1000],
    ['250ms', 250],
    ['5m', 300_000],
    ['5 min', 300_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
  ] as const) {
    assert.equal(parseDuration(text), ms)
  }
})

test('a duration without a unit, or that is none, is refused', () => {
  for (const text of ['', '5', 's', '-1s', '1 week', '1s 5ms', '9e15d']) {
    assert.throws(() => parseDuration(text), argumentError, text)
  }
})

test('a rate is per second, minute or hour, whichever first gives a mebibyte', () => {
  assert.equal(formatRate(3.1 * MIB * 3600), '3.1 MiB/s')
  assert.equal(formatRate(15 * MIB * 60), '15 MiB/min')
  assert.equal(formatRate(2 * MIB), '2 MiB/h')
  assert.equal(formatRate(300), '300 B/h')
  assert.equal(formatRate(-15 * MIB * 60), '-15 MiB/min')
})

test('the ends of an interval are written as its middle is', () => {
  const like = 1.2 * MIB * 3600
  assert.equal(formatRate(0.9 * MIB * 3600, { like }), '922 KiB/s')
  assert.equal(formatRate(like, { like }), '1.2 MiB/s')
})
