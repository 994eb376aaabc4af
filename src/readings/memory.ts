import { readFileSync } from 'node:fs'
import { getHeapSpaceStatistics, getHeapStatistics, type HeapSpaceInfo } from 'node:v8'
import { binding, out } from '../binding.js'
import { OUT } from '../seam.js'
import { memoryLimit } from './limits.js'
import type { MemoryLimit } from './reading.js'
import { type Usage, usage } from './usage.js'

/** glibc's own counters, bytes. They count virtual memory: freed and untouched pages too. */
export interface MallocCounters {
  /** Blocks not yet freed, those mapped directly included. */
  inUse: number
  /** Free inside the arenas; resident or already given back. */
  free: number
  /** Size of all arenas. */
  arenas: number
  /** The part of `inUse` that malloc mapped directly. */
  mapped: number
}

export interface Memory extends Usage {
  /** Highest RSS so far. */
  peakRss: number
  /** The part of `file` that is shared memory (shm, memfd, tmpfs). NaN where /proc does not say. */
  shmem: number
  /** Bytes of this process in swap. NaN where /proc does not say. */
  swap: number
  /** V8's heap of this thread; `committed` counts untouched pages too. */
  heap: { used: number; committed: number; limit: number; spaces: HeapSpaceInfo[] }
  /** Bytes that this thread's JS objects hold outside the heap, as declared. */
  external: number
  /** The part of `external` in ArrayBuffers and SharedArrayBuffers; untouched pages count. */
  arrayBuffers: number
  /** Null where the allocator is not glibc's. */
  malloc: MallocCounters | null
  /** The limit with the least room left. */
  limit: MemoryLimit
}

function kilobytes(status: string, key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)
  return match ? Number(match[1]) * 1024 : Number.NaN
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'latin1')
  } catch {
    return '' // not Linux, or /proc is hidden: the fields are NaN
  }
}

/**
 * All the memory numbers of this process that need no walk over its pages. Bytes. On demand, not for hot paths: about
 * 0.1 ms, and `malloc` walks every free chunk under the allocator's locks (44 ms were measured with 500,000 of them).
 * @see proc_pid_status(5), mallinfo(3), node:v8 getHeapStatistics
 */
export function memory(): Memory {
  const now = usage()
  const status = ownStatus()
  const v8 = getHeapStatistics()
  const { external, arrayBuffers } = process.memoryUsage()
  binding.readRusageSelf()
  const peakRss = out[OUT.peakRss]!
  binding.readMalloc()
  const inUse = out[OUT.mallocInUse]!
  return {
    ...now,
    peakRss,
    shmem: kilobytes(status, 'RssShmem'),
    swap: kilobytes(status, 'VmSwap'),
    heap: {
      used: v8.used_heap_size,
      committed: v8.total_heap_size,
      limit: v8.heap_size_limit,
      spaces: getHeapSpaceStatistics(),
    },
    external,
    arrayBuffers,
    malloc: Number.isNaN(inUse)
      ? null
      : { inUse, free: out[OUT.mallocFree]!, arenas: out[OUT.mallocArenas]!, mapped: out[OUT.mallocMapped]! },
    limit: memoryLimit(),
  }
}
