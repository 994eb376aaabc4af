/** What makes an allocator give back what it keeps: its own settings, in the order in which they help. Pure. */

import type { AllocatorReading } from '../readings/reading.js'
import { formatBytes } from '../units.js'

/** Of the free memory. */
const MOST = 0.5

/** Less than this is not worth a word. */
const WORTH_TRIMMING_BYTES = 2 ** 20

const SETTINGS: Record<AllocatorReading['name'], string> = {
  glibc:
    'Set MALLOC_TRIM_THRESHOLD_=131072 and MALLOC_MMAP_THRESHOLD_=131072 in its environment: glibc then no longer raises both by itself, and gives memory back as it is freed. If that is not enough, try another allocator, such as jemalloc.',
  musl: "musl's allocator has no setting for this: try another one, such as jemalloc or mimalloc.",
  jemalloc:
    'Set MALLOC_CONF=background_thread:true,dirty_decay_ms:1000 in its environment: jemalloc then gives pages back within about a second, also while nobody allocates.',
  mimalloc: 'Set MIMALLOC_PURGE_DELAY=0 in its environment: mimalloc then gives pages back as soon as they are free.',
  tcmalloc:
    'Set TCMALLOC_RELEASE_RATE=10 in its environment (gperftools): tcmalloc then gives pages back ten times as fast as by default.',
}

/**
 * @param heldBytes what it keeps, of which the program needs nothing
 * @param allocator undefined where it is not known
 */
export function allocatorRemedy(heldBytes: number, allocator: AllocatorReading | undefined): string {
  const held = formatBytes(heldBytes)
  if (!allocator) {
    return `The allocator keeps ${held} that the program has freed. Which one it is was not seen: glibc's gives it back as it is freed with MALLOC_TRIM_THRESHOLD_=131072 and MALLOC_MMAP_THRESHOLD_=131072 in its environment.`
  }
  const { name, free, trimmable, inThreadArenas } = allocator
  // What was free all the time is less than what is free now; what lies between bursts, in one of them, is more.
  const now = Math.abs(free - heldBytes) < WORTH_TRIMMING_BYTES ? '' : `, with ${formatBytes(free)} free now`
  const said = [`${name} keeps ${held} that the program has freed${now}${trimWords(trimmable)}.`, SETTINGS[name]]
  if (name === 'glibc' && inThreadArenas >= MOST * free) {
    said.push(
      `${formatBytes(inThreadArenas)} of what is free lie in arenas of threads, whose tops are never trimmed: MALLOC_ARENA_MAX=2 makes threads share arenas.`,
    )
  } else if (trimmable < MOST * free) {
    said.push(
      'Most of what is free lies in pieces between blocks in use, where only an allocator that packs better saves it.',
    )
  }
  return said.join(' ')
}

/** Computed, and never done to find out: a trim stops other threads that allocate. */
export function trimWords(trimmable: number): string {
  return trimmable >= WORTH_TRIMMING_BYTES
    ? `; trim would give back ${formatBytes(trimmable)} (computed, not called)`
    : ''
}
