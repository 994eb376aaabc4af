import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrayBuffersIn } from '#dist/readings/array-buffers'

const MiB = 2 ** 20

test('untouched memory is taken for that of ArrayBuffers, as native code touches what it allocates', () => {
  // 120 MiB of Buffers, of which 20 are touched, beside 100 MiB of native memory.
  const found = arrayBuffersIn({ resident: 120 * MiB, bytes: 220 * MiB }, 120 * MiB)
  assert.deepEqual(found, { low: 20 * MiB, likely: 20 * MiB, high: 120 * MiB })
})

test('where all is touched the count is exact', () => {
  const found = arrayBuffersIn({ resident: 220 * MiB, bytes: 220 * MiB }, 120 * MiB)
  assert.deepEqual(found, { low: 120 * MiB, likely: 120 * MiB, high: 120 * MiB })
})

test('never less than nothing, nor more than what is resident', () => {
  for (const [resident, bytes, counted] of [
    [0, 0, 10],
    [5, 300, 10],
    [5, 5, 900],
    [7, 6, 3],
  ] as const) {
    const { low, likely, high } = arrayBuffersIn({ resident, bytes }, counted)
    assert.ok(0 <= low && low <= likely && likely <= high && high <= Math.min(resident, counted), String(resident))
  }
})

test('samples narrow the interval: of native memory that was never touched, and of workers', () => {
  // 80 MiB of untouched native memory, for which 80 of touched Buffers would be taken.
  const pool = { resident: 80 * MiB, bytes: 160 * MiB }
  const sampled = { resident: 78 * MiB, standardError: 4 * MiB, counted: 80 * MiB, unseen: 0 }
  assert.deepEqual(arrayBuffersIn(pool, 80 * MiB), { low: 0, likely: 0, high: 80 * MiB })
  assert.deepEqual(arrayBuffersIn(pool, 80 * MiB, sampled), { low: 70 * MiB, likely: 70 * MiB, high: 80 * MiB })
  // 60 MiB of a worker's, which this isolate does not count.
  const workers = { resident: 62 * MiB, standardError: 2 * MiB, counted: 0, unseen: 0 }
  assert.deepEqual(arrayBuffersIn({ resident: 90 * MiB, bytes: 90 * MiB }, 0, workers), {
    low: 58 * MiB,
    likely: 58 * MiB,
    high: 66 * MiB,
  })
})

test('what was there before the profile, and what came since its snapshot, widen what samples say', () => {
  const pool = { resident: 100 * MiB, bytes: 100 * MiB }
  const sampled = { resident: 40 * MiB, standardError: MiB, counted: 60 * MiB, unseen: 20 * MiB }
  const found = arrayBuffersIn(pool, 70 * MiB, sampled)
  // All is touched, so V8's count is exact for this isolate; the rest could be a worker's.
  assert.deepEqual(found, { low: 70 * MiB, likely: 70 * MiB, high: 72 * MiB })
})

test('samples that contradict what is counted are not believed', () => {
  const pool = { resident: 100 * MiB, bytes: 100 * MiB }
  const sampled = { resident: 10 * MiB, standardError: MiB, counted: 70 * MiB, unseen: 0 }
  assert.deepEqual(arrayBuffersIn(pool, 70 * MiB, sampled), arrayBuffersIn(pool, 70 * MiB))
})
