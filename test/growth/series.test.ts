import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Series } from '#dist/growth/series'
import { leastSquares } from '#dist/growth/trend'

const DAY = 86_400

test('a few readings come back as they were given', () => {
  const series = new Series()
  for (let t = 0; t < 5; t++) series.add(t, t * t)
  const { t, v, max } = series.since(2)
  assert.deepEqual([...t], [2, 3, 4])
  assert.deepEqual([...v], [4, 9, 16])
  assert.deepEqual([...max], [4, 9, 16])
})

test('thirty days of readings once a second fit in 24 KiB, and reach back more than three weeks', () => {
  const series = new Series()
  for (let t = 0; t < 30 * DAY; t++) series.add(t, t)
  assert.equal(Series.MAX_BYTES, 24 * 1024)
  assert.equal(series.bytes, Series.MAX_BYTES)
  assert.equal(series.count, 30 * DAY)
  assert.ok(30 * DAY - series.since(0).t[0]! > 21 * DAY)
})

test('a window has between 30 and 128 points, begins where it was asked to and ends close to now', () => {
  const series = new Series()
  const now = 3 * DAY
  for (let t = 0; t < now; t++) series.add(t, t)
  for (let lookback = 30; lookback < now; lookback *= 1.7) {
    const { t } = series.since(now - lookback)
    const gap = t[1]! - t[0]!
    assert.ok(t.length >= 30 && t.length <= 128, `${t.length} points for ${lookback} s`)
    assert.ok(t[0]! >= now - lookback && t[0]! < now - lookback + 1.5 * gap + 1, `begins at ${t[0]}`)
    assert.ok(now - t.at(-1)! <= 2 * gap, `ends at ${t.at(-1)}`)
  }
})

test('a window holds one resolution only', () => {
  const series = new Series()
  for (let t = 0; t < 5000; t++) series.add(t, t)
  const { t } = series.since(0)
  const gaps = new Set(Array.from(t.subarray(1), (value, i) => value - t[i]!))
  assert.equal(gaps.size, 1)
})

test('a line has the same slope at every resolution', () => {
  const series = new Series()
  for (let t = 0; t < DAY; t++) series.add(t, 7 * t + 3)
  for (const lookback of [60, 600, 6000, 60_000]) {
    const { t, v } = series.since(DAY - lookback)
    assert.ok(Math.abs(leastSquares(t, v).slope - 7) < 1e-9)
  }
})

test('readings at uneven times keep their line, also across a gap', () => {
  const series = new Series()
  for (let i = 0, t = 0; i < 3000; i++) {
    t += i === 1500 ? 10_000 : 1 + (i % 3)
    series.add(t, 2 * t)
  }
  const { t, v } = series.since(0)
  assert.ok(Math.abs(leastSquares(t, v).slope - 2) < 1e-9)
})

test('what was before a window is in none of its points', () => {
  const series = new Series()
  for (let t = 0; t < 5000; t++) series.add(t, t < 1000 ? 1e6 : t)
  for (const start of [1000, 1001, 1010, 1500]) assert.ok(Math.max(...series.since(start).v) < 1e6, `since ${start}`)
})

test('a version changes with the points of a window, and only then', () => {
  const series = new Series()
  let version = Number.NaN
  let points = ''
  for (let t = 0; t < 3000; t++) {
    series.add(t, t)
    const now = series.since(100).t.join()
    if (now !== '') assert.equal(series.version(100) === version, now === points, `at ${t}`)
    version = series.version(100)
    points = now
  }
})

test('a peak that the mean hides is kept as the maximum', () => {
  const series = new Series()
  for (let t = 0; t < 1000; t++) series.add(t, t === 100 ? 500 : 1)
  const { v, max } = series.since(0)
  assert.equal(Math.max(...max), 500)
  assert.ok(Math.max(...v) < 500)
})
