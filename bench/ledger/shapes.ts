/** The heaps that are walked. A quarter of the blocks is free, unless it says otherwise. */

import type { Shape } from '../subject/subject.js'

const MIB = 2 ** 20

function shape(blocks: number, mean: number, freed = 4): Shape {
  return { rss: 0, mappings: 0, heap: { blocks, mean, freed } }
}

export const HEAPS = {
  '1,000,000 chunks of 100 B on average': shape(1_000_000, 100),
  '1,000,000 chunks of 300 B': shape(1_000_000, 300),
  '1,000,000 chunks of 1 KiB': shape(1_000_000, 1024),
  '200,000 chunks of 5 KiB': shape(200_000, 5 * 1024),
} as const

/** What a gigabyte of a service's native memory looks like. */
export const LARGE = HEAPS['200,000 chunks of 5 KiB']
/** Every other one is free: 750,000 free chunks, each of which mallinfo2 visits under the arena's lock. */
export const FRAGMENTED = shape(1_500_000, 300, 2)
export const HUGE = shape(800_000, 5 * 1024)

export const MANY_MAPPINGS: Shape = { rss: 1024 * MIB, mappings: 3_000 }
