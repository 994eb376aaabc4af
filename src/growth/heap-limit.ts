/** Decides whether V8 knows how little memory there is: its own limit against the one that the process will meet. Pure. */

import type { MemoryLimit } from '../readings/reading.js'
import { formatBytes } from '../units.js'

const MIB = 2 ** 20

/** Of the limit, beyond which it is near. */
const NEAR = 0.8
/** Of the limit, that JS heap and all else may fill together. */
const FILLED = 0.9
/** A smaller heap runs nothing. */
const LEAST_HEAP_BYTES = 64 * MIB

/**
 * What to set, where V8 would let the heap grow beyond `limit`, or the process is near it; '' elsewhere.
 * @param heapLimit as much as V8 lets the heap grow, bytes
 * @param heapBytes resident bytes of the JS heap
 */
export function heapLimitAdvice(
  limit: MemoryLimit | undefined,
  heapLimit: number | undefined,
  heapBytes: number,
): string {
  if (!limit || heapLimit === undefined) return ''
  const rest = Math.max(0, limit.used - heapBytes)
  const room = Math.floor((FILLED * limit.bytes - rest) / MIB) * MIB
  const near = limit.used > NEAR * limit.bytes
  if (heapLimit <= room || !(heapLimit > limit.bytes || near)) return ''
  const known = `V8 lets the heap grow to ${formatBytes(heapLimit)}, and all else takes ${formatBytes(rest)} of the ${formatBytes(limit.bytes)} that there are`
  if (room < LEAST_HEAP_BYTES) return `${known}, which leaves too little for it.`
  return `${known}: --max-old-space-size=${room / MIB} makes V8 collect before the memory is used up.`
}
