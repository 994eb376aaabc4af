import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProfileColumns } from '#dist/profile/columns'
import { merge } from '#dist/profile/merge'
import { inAddon, inLibc, js, MAPPINGS, profileOf } from './profiles.js'

/** A trace in words: its stack with the files of its mappings, and what it is of. */
function traces(columns: ProfileColumns): string[] {
  const { starts, stackFrames, frames, mappings, regions, region, threads, thread, owner, source, live } = columns
  return Array.from({ length: starts.length - 1 }, (_, i) => {
    const stack = Array.from(stackFrames.subarray(starts[i], starts[i + 1]), (index) => {
      const { function: name, mapping } = frames[index]!
      return mapping < 0 ? name : `${name}@${mappings[mapping]!.buildId}`
    })
    return `${stack.join('<')} ${regions[region[i]!]}|${threads[thread[i]!]}|${owner[i]}|${source[i]}|${live.bytes[i]}`
  })
}

const NATIVE = profileOf(
  [
    { stack: [inLibc('malloc'), inAddon('decode'), js('load')], live: { bytes: 100 }, region: 'upload' },
    { stack: [inLibc('malloc')], live: { bytes: 50 }, thread: 'pool' },
  ],
  { startedAt: 1000, durationMs: 500, notes: ['lost'] },
)
const JS = profileOf(
  [
    { stack: [js('load'), js('main')], live: { bytes: 7 }, source: 'js', owner: 'js-heap', region: 'cache' },
    { stack: [js('main')], live: { bytes: 8 }, source: 'js', owner: 'js-heap', region: 'upload' },
  ],
  { startedAt: 900, durationMs: 1000, intervalBytes: 0, jsIntervalBytes: 4096, mappings: [], notes: ['lost', 'late'] },
)

test('every trace of every part keeps its stack, region, thread and numbers', () => {
  assert.deepEqual(traces(merge([NATIVE, JS])), [...traces(NATIVE), ...traces(JS)])
  assert.deepEqual(traces(merge([JS, NATIVE])), [...traces(JS), ...traces(NATIVE)])
})

test('regions, threads and notes that parts have in common are there once', () => {
  const { regions, threads, notes } = merge([NATIVE, JS])
  assert.deepEqual(regions, ['', 'upload', 'cache'])
  assert.deepEqual(threads, ['main', 'pool'])
  assert.deepEqual(notes, ['lost', 'late'])
})

test('a cache is told from a region of the same name that is none', () => {
  const cache = { ...NATIVE, regionKinds: ['' as const, 'cache' as const] }
  const { regions, regionKinds } = merge([NATIVE, cache])
  assert.deepEqual(
    [regions, regionKinds],
    [
      ['', 'upload', 'upload'],
      ['', '', 'cache'],
    ],
  )
})

test('the executable stays the first mapping, and mappings of the same file are one', () => {
  const other = { ...MAPPINGS[1]!, path: '/lib/late.so', buildId: 'dd04' }
  const late = profileOf([{ stack: [inLibc('late')] }], { mappings: [MAPPINGS[0]!, other, MAPPINGS[2]!] })
  const merged = merge([JS, NATIVE, late])
  assert.deepEqual(merged.mappings, [...MAPPINGS, other])
  assert.deepEqual(traces(merged).at(-1), traces(late)[0])
})

test('the profile lasts from the first start to the last end, with the interval of each source', () => {
  const { startedAt, durationMs, intervalBytes, jsIntervalBytes } = merge([NATIVE, JS])
  assert.deepEqual([startedAt, durationMs, intervalBytes, jsIntervalBytes], [900, 1000, 524288, 4096])
})

test('one part comes out as it went in', () => {
  assert.deepEqual(merge([NATIVE]), NATIVE)
})

test('parts are not changed', () => {
  const before = structuredClone(NATIVE)
  merge([JS, NATIVE])
  assert.deepEqual(NATIVE, before)
})
