import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Profile } from '#dist/profile/profile'
import { TOP_KEYS } from '#dist/profile/top'
import { inAddon, inLibc, js, MAPPINGS, oddProfile, profileOf, type WrittenTrace } from './profiles.js'
import { syntheticProfile } from './synthetic.js'

const MIB = 2 ** 20
const malloc = inLibc('malloc')
const main = js('main', '/app/main.js', 1)

const of = (...traces: WrittenTrace[]) => new Profile(profileOf(traces))

test('top sums the traces of a site and says how sure it is', () => {
  const upload = js('upload', '/app/upload.js', 12)
  const [first, second, ...rest] = of(
    { stack: [malloc, upload, main], live: { bytes: 5 * MIB, count: 10, bytesVariance: 9, samples: 10 } },
    { stack: [inLibc('calloc'), upload, main], live: { bytes: MIB, count: 2, bytesVariance: 16, samples: 2 } },
    { stack: [malloc, js('log', '/app/log.js', 3)], live: { bytes: 2 * MIB, count: 1, samples: 1 } },
  ).top()
  assert.deepEqual(rest, [])
  const { stack, ...row } = first!
  assert.deepEqual(row, {
    name: 'upload /app/upload.js:12',
    function: 'upload',
    file: '/app/upload.js',
    line: 12,
    region: '',
    thread: 'main',
    owner: 'malloc',
    value: 6 * MIB,
    standardError: 5,
    count: 12,
    samples: 12,
    share: 0.75,
  })
  assert.deepEqual(
    stack.map(({ function: name }) => name),
    ['malloc', 'upload', 'main'],
  )
  assert.equal(second!.name, 'log /app/log.js:3')
})

test('top by function takes its lines together, by site it does not', () => {
  const profile = of(
    { stack: [malloc, js('f', '/app/a.js', 1)], live: { bytes: 1 } },
    { stack: [malloc, js('f', '/app/a.js', 2)], live: { bytes: 2 } },
    { stack: [malloc, js('f', '/app/b.js', 2)], live: { bytes: 4 } },
  )
  const names = (by: 'site' | 'function') => profile.top(10, { by }).map(({ name, value }) => [name, value])
  assert.deepEqual(names('site'), [
    ['f /app/b.js:2', 4],
    ['f /app/a.js:2', 2],
    ['f /app/a.js:1', 1],
  ])
  assert.deepEqual(names('function'), [
    ['f /app/b.js', 4],
    ['f /app/a.js', 3],
  ])
})

test('top by region, thread and owner names each, and what is in none', () => {
  const profile = of(
    { stack: [main], live: { bytes: 4 }, region: 'checkout', thread: 'libuv pool', owner: 'array-buffers' },
    { stack: [main], live: { bytes: 1 } },
    { stack: [main], live: { bytes: 2 }, thread: '' },
  )
  const names = (by: (typeof TOP_KEYS)[number]) => profile.top(10, { by }).map(({ name, value }) => [name, value])
  assert.deepEqual(names('region'), [
    ['checkout', 4],
    ['(outside every region)', 3],
  ])
  assert.deepEqual(names('thread'), [
    ['libuv pool', 4],
    ['(unknown thread)', 2],
    ['main', 1],
  ])
  assert.deepEqual(names('owner'), [
    ['array-buffers', 4],
    ['malloc', 3],
  ])
})

test('rows of any kind sum to the total of the value that they show', () => {
  const profile = new Profile(syntheticProfile({ seed: 3, traces: 500, frames: 100, depth: 8 }))
  for (const by of TOP_KEYS) {
    for (const value of ['live-bytes', 'live-count', 'allocated-bytes', 'allocated-count'] as const) {
      const rows = profile.top(Number.POSITIVE_INFINITY, { by, value })
      const total = profile.total(value)
      const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
      assert.ok(Math.abs(sum(rows.map((row) => row.value)) / total.value - 1) < 1e-9)
      assert.ok(Math.abs(sum(rows.map((row) => row.share)) - 1) < 1e-9)
      const variance = sum(rows.map((row) => row.standardError ** 2))
      assert.ok(Math.abs(variance / total.standardError ** 2 - 1) < 1e-9)
      assert.deepEqual(
        rows.map((row) => row.value),
        rows.map((row) => row.value).sort((a, b) => b - a),
      )
    }
  }
})

test('what lives counts as allocated where nothing else is known', () => {
  const unknown = { bytes: Number.NaN, count: Number.NaN, bytesVariance: Number.NaN, samples: Number.NaN }
  const profile = of(
    { stack: [main], source: 'js', live: { bytes: 10, bytesVariance: 9 }, allocated: unknown },
    { stack: [main], live: { bytes: 1 }, allocated: { bytes: 100, bytesVariance: 16 } },
  )
  assert.deepEqual(profile.total('allocated-bytes'), { value: 110, standardError: 5 })
  assert.deepEqual(profile.total(), { value: 11, standardError: 3 })
})

test('the difference of two profiles is found by stack, whatever numbers their frames have', () => {
  const a = js('a', '/app/a.js')
  const b = js('b', '/app/b.js')
  const earlier = of(
    { stack: [malloc, a, main], live: { bytes: 100, count: 10, bytesVariance: 9 }, region: 'r' },
    { stack: [malloc, b, main], live: { bytes: 50, bytesVariance: 1 } },
  )
  const later = new Profile(
    profileOf(
      [
        { stack: [malloc, { ...b }, main], live: { bytes: 20, bytesVariance: 1 } },
        { stack: [malloc, js('c'), main], live: { bytes: 7 }, region: 'new' },
        { stack: [malloc, { ...a }, { ...main }], live: { bytes: 300, count: 12, bytesVariance: 16 }, region: 'r' },
        { stack: [malloc, { ...a }, { ...main }], live: { bytes: 5, count: 1 } },
      ],
      { startedAt: 1_780_000_000_123, durationMs: 90_000, mappings: [MAPPINGS[0]!, MAPPINGS[1]!] },
    ),
  )
  const diff = later.diff(earlier)
  const rows = diff
    .top()
    .map(({ function: name, region, value, standardError, count }) => [name, region, value, standardError, count])
  assert.deepEqual(rows, [
    ['a', 'r', 205, 5, 3],
    ['c', 'new', 7, 0, 1],
    ['b', '', -30, Math.SQRT2, 0],
  ])
  assert.equal(diff.columns.source.length, 4)
  assert.equal(diff.columns.startedAt, earlier.columns.startedAt + 60_000)
  assert.equal(diff.columns.durationMs, 30_000)
})

test('a profile less itself is zero everywhere, and less nothing is itself', () => {
  const profile = new Profile(syntheticProfile({ seed: 4, traces: 300, frames: 100, depth: 8 }))
  const nothing = new Profile(profileOf([]))
  assert.equal(profile.diff(profile).total().value, 0)
  assert.deepEqual(
    profile
      .diff(nothing)
      .top(20)
      .map(({ name, value }) => [name, value]),
    profile.top(20).map(({ name, value }) => [name, value]),
  )
  assert.ok(Math.abs(nothing.diff(profile).total().value + profile.total().value) < 1)
})

test('functions of another build of an addon are others', () => {
  const rebuilt = MAPPINGS.map((mapping) => ({ ...mapping, buildId: `${mapping.buildId}ff` }))
  const trace = { stack: [inAddon('Retain'), main], live: { bytes: 10 } }
  const diff = new Profile(profileOf([trace], { mappings: rebuilt })).diff(of(trace))
  assert.deepEqual([...diff.columns.live.bytes], [10, -10])
})

test('the notes of both profiles stay with their difference', () => {
  const noted = (...notes: string[]) => new Profile(profileOf([], { notes }))
  assert.deepEqual(noted('one', 'two').diff(noted('two', 'three')).columns.notes, ['one', 'two', 'three'])
})

test('odd names and values pass through every way to look at a profile', () => {
  const profile = new Profile(oddProfile())
  for (const by of TOP_KEYS) {
    for (const { name, share } of profile.top(1000, { by })) {
      assert.notEqual(name, '')
      assert.equal(typeof share, 'number')
    }
  }
  assert.equal(profile.diff(profile).columns.frames.length > 0, true)
  assert.deepEqual(new Profile(profileOf([])).top(), [])
  assert.deepEqual(new Profile(profileOf([])).total(), { value: 0, standardError: 0 })
})
