import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { readPprof } from '#dist/export/read-pprof'
import type { ProfileColumns } from '#dist/profile/columns'
import { Profile } from '#dist/profile/profile'
import { temporaryFolder } from '../cli/tidemark.js'
import { inAddon, inLibc, inNode, js, MAPPINGS, oddProfile, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'
import { decodePprof } from './pprof-decoder.js'

const encode = (columns: ProfileColumns) => decodePprof(gunzipSync(new Profile(columns).toPprof()))

test('pprof has four values a sample, in-use bytes the one that tools show first', () => {
  const { sampleTypes, defaultSampleType, periodType, period, timeNanos, durationNanos, comments, samples } = encode(
    profileOf(
      [
        {
          stack: [js('f')],
          live: { bytes: 2000.4, count: 2.6 },
          allocated: { bytes: 2 ** 40 + 1, count: 300 },
        },
      ],
      { notes: ['12 samples were dropped', 'the addon was unloaded'] },
    ),
  )
  assert.deepEqual(sampleTypes, [
    'alloc_objects/count',
    'alloc_space/bytes',
    'inuse_objects/count',
    'inuse_space/bytes',
  ])
  assert.equal(defaultSampleType, 'inuse_space')
  assert.equal(periodType, 'space/bytes')
  assert.equal(period, 524288)
  assert.equal(timeNanos, 1_780_000_000_123_000_000n)
  assert.equal(durationNanos, 60_000_000_000n)
  assert.deepEqual(comments, ['12 samples were dropped', 'the addon was unloaded'])
  assert.deepEqual(samples[0]!.values, [300, 2 ** 40 + 1, 3, 2000])
})

test('samples are labelled with source, region, thread, owner and what is missing of the stack', () => {
  const { samples } = encode(
    profileOf([
      { stack: [js('f')], region: 'checkout', thread: 'worker 1', owner: 'array-buffers', partial: 3 },
      { stack: [js('f')], source: 'js', owner: 'js-heap' },
    ]),
  )
  assert.deepEqual(
    samples.map(({ labels }) => labels),
    [
      {
        source: 'native',
        region: 'checkout',
        thread: 'worker 1',
        owner: 'array-buffers',
        partial: 'frames missing, truncated',
      },
      { source: 'js', thread: 'main', owner: 'js-heap' },
    ],
  )
})

test('what V8 knows only the living of has as much allocated as lives', () => {
  const unknown = { bytes: Number.NaN, count: Number.NaN }
  const { samples } = encode(
    profileOf([{ stack: [js('f')], source: 'js', live: { bytes: 500, count: 5 }, allocated: unknown }]),
  )
  assert.deepEqual(samples[0]!.values, [5, 500, 5, 500])
})

test('stacks run leaf first through locations with addresses, lines, and mappings with build ids', () => {
  const { samples, mappings } = encode(
    profileOf([
      { stack: [inLibc('malloc'), inAddon('decode', 0x2040), inNode('CallAPI'), js('load', '/app/a.js', 12, 7)] },
    ]),
  )
  const stack = samples[0]!.stack.map(({ mapping, address, lines }) => [mapping?.path, address, lines])
  assert.deepEqual(stack, [
    [MAPPINGS[1]!.path, 0x27000, [{ name: 'malloc', file: '', line: 0, column: 0 }]],
    [MAPPINGS[2]!.path, 0x2040, [{ name: 'decode', file: '', line: 0, column: 0 }]],
    [MAPPINGS[0]!.path, 0x401000, [{ name: 'CallAPI', file: '', line: 0, column: 0 }]],
    [undefined, 0, [{ name: 'load', file: '/app/a.js', line: 12, column: 7 }]],
  ])
  assert.deepEqual(
    mappings,
    MAPPINGS.map((mapping) => ({ ...mapping, hasFunctions: true })),
  )
})

test('calls that were inlined are lines of one location, the innermost first', () => {
  const inner = { ...js('inner', '/app/a.js', 3), inlined: true }
  const middle = { ...js('middle', '/app/a.js', 5), inlined: true }
  const outer = js('outer', '/app/a.js', 9)
  const { samples, locations } = encode(
    profileOf([{ stack: [inner, middle, outer] }, { stack: [middle, outer] }, { stack: [outer] }, { stack: [inner] }]),
  )
  const names = samples.map(({ stack }) => stack.map(({ lines }) => lines.map(({ name }) => name).join('<')))
  assert.deepEqual(names, [['inner<middle<outer'], ['middle<outer'], ['outer'], ['inner']])
  assert.equal(locations.size, 4)
})

test('a native frame without a name has an address and no line, and its mapping asks pprof to find the name', () => {
  const { samples, mappings } = encode(profileOf([{ stack: [inAddon('', 0x2468), inNode('main')] }]))
  assert.deepEqual(samples[0]!.stack[0]!.lines, [])
  assert.equal(samples[0]!.stack[0]!.address, 0x2468)
  assert.deepEqual(
    mappings.map(({ hasFunctions }) => hasFunctions),
    [true, true, false],
  )
})

test('one function is written once, however many of its lines allocate, and its calls come back', () => {
  const lines = [1, 2, 3].map((line) => ({ stack: [{ ...js('f', '/app/a.js', 1), call: { line, column: 4 } }] }))
  const profile = profileOf(lines)
  const { functions, locations } = encode(profile)
  assert.deepEqual(functions, [{ name: 'f', file: '/app/a.js' }])
  assert.equal(locations.size, 3)
  const back = readPprof(gunzipSync(new Profile(profile).toPprof())).frames.map(({ line, call }) => [
    line,
    call?.line ?? line,
  ])
  assert.deepEqual(back, [
    [1, 1],
    [1, 2],
    [1, 3],
  ])
})

test('values that are no amounts are written as numbers that an int64 holds', () => {
  const { samples, strings } = encode(oddProfile())
  for (const { values } of samples) for (const value of values) assert.ok(Number.isSafeInteger(value), String(value))
  assert.ok(samples.some(({ values }) => values[3] === -(2 ** 40)))
  assert.equal(strings[0], '')
  assert.equal(new Set(strings).size, strings.length)
  assert.equal(Math.max(...samples.map(({ stack }) => stack.length)), 128)
})

test('a profile of 20,000 stacks is the same when written in slices, and while the event loop turns', async () => {
  const columns = syntheticProfile({ seed: 1, traces: 20_000, frames: 5000, depth: 30 })
  const profile = new Profile(columns)
  let turns = 0
  let done = false
  const turn = () => {
    turns++
    if (!done) setImmediate(turn)
  }
  setImmediate(turn)
  const sliced = await profile.toPprofAsync()
  done = true
  assert.ok(turns > 1, `${turns}`)
  assert.ok(sliced.equals(profile.toPprof()))
  const { samples } = decodePprof(gunzipSync(sliced))
  assert.equal(samples.length, 20_000)
  for (const [i, { values, stack }] of samples.entries()) {
    assert.equal(values[3], Math.round(columns.live.bytes[i]!))
    const indices = columns.stackFrames.subarray(columns.starts[i], columns.starts[i + 1])
    assert.deepEqual(
      stack.map(({ lines }) => lines[0]!.name),
      Array.from(indices, (index) => columns.frames[index]!.function),
    )
  }
})

const go = spawnSync('go', ['version']).status === 0 ? false : 'go is not installed'

test('go tool pprof accepts it and finds the same totals', { skip: go }, (t) => {
  const folder = temporaryFolder(t)
  const pprof = (columns: ProfileColumns, ...options: string[]) => {
    const file = join(folder, 'profile.pb.gz')
    writeFileSync(file, new Profile(columns).toPprof())
    const { status, stdout, stderr } = spawnSync('go', ['tool', 'pprof', ...options, file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, HOME: folder, PPROF_TMPDIR: folder },
    })
    assert.equal(status, 0, stderr)
    return stdout
  }
  const columns = syntheticProfile({ seed: 2, traces: 2000, frames: 500, depth: 30 })
  const raw = pprof(columns, '-raw')
  assert.match(raw, /alloc_objects\/count alloc_space\/bytes inuse_objects\/count inuse_space\/bytes\[dflt\]/)
  const rows = [...raw.matchAll(/^ +(\d+) +(\d+) +(\d+) +(\d+): [\d ]+$/gm)]
  assert.equal(rows.length, 2000)
  assert.equal(
    rows.reduce((sum, row) => sum + Number(row[4]), 0),
    columns.live.bytes.reduce((sum, bytes) => sum + Math.round(bytes), 0),
  )
  assert.match(pprof(columns, '-top', '-unit=B'), /Type: inuse_space/)
  const named = profileOf([
    { stack: [inLibc('malloc'), inAddon('decode'), js('load')], live: { bytes: 3e6 }, region: 'r' },
  ])
  assert.match(pprof(named, '-top', '-unit=B', '-tagfocus=region=r'), /3000000B +100% +100% +3000000B +100% +malloc/)
  assert.match(pprof(oddProfile(), '-raw'), /128/)
})
