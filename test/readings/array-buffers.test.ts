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
