/** One reading of a process: the line of `timeline.ndjson`, and what the growth detector eats. Types, and their bounds. */

import type { Owner, OwnerBytes } from '../owners.js'

/** The memory limit that the process will meet first, in bytes. */
export interface MemoryLimit {
  bytes: number
  source: 'cgroup' | 'rlimit' | 'system'
  /** Bytes charged against this limit now (a cgroup is charged for its other processes too). */
  used: number
}

/** What the program's allocator holds. Resident bytes. */
export interface AllocatorReading {
  name: AllocatorName
  /** Blocks in use (Buffers' included), and freed ones that it keeps. */
  live: number
  free: number
  /** Of `free`: what malloc_trim(0) would give back; NaN where unknown. */
  trimmable: number
  /** Of `free`: held in arenas of threads, whose tops malloc_trim never returns. */
  inThreadArenas: number
}

/** In the order of native/allocator/allocator.h. */
export const ALLOCATORS = ['glibc', 'musl', 'jemalloc', 'mimalloc', 'tcmalloc'] as const
export type AllocatorName = (typeof ALLOCATORS)[number]

/** V8's own numbers, for the isolate that took the reading. Bytes; `external` and `arrayBuffers` count untouched pages too. */
export interface HeapReading {
  used: number
  total: number
  external: number
  arrayBuffers: number
  /** As much as V8 lets the heap grow. */
  limit?: number
}

/** What a region has cost since the start of the process: estimates over all calls from the measured ones. */
export interface RegionLine {
  calls: number
  measured: number
  wallMs: number
  cpuMs: number
  rss: number
  anon: number
}

/** One allocation site of a profile: an estimate from samples of what it allocated and is not freed. */
export interface SiteLine {
  /** As in the site's `SiteDef`. */
  site: number
  /** Bytes that are live and no longer young: what has just been allocated is seldom kept. */
  live: number
  /** Of `live`, in bytes squared. */
  variance: number
  /** How many samples `live` is estimated from. */
  samples: number
}

/** One call of a stack. */
export interface StackFrame {
  function: string
  /** '' where it is not known. */
  file: string
  /** 1-based, 0 where it is not known. */
  line: number
  column: number
  kind: 'js' | 'native'
}

/** Who a `SiteLine` is about; in a timeline once, before or after the first line that counts it. */
export interface SiteDef {
  /** Not used again for another site of the same process. */
  site: number
  function: string
  file: string
  line: number
  /** '' outside every region. */
  region: string
  /** What that region was declared to be. */
  kind: '' | 'cache'
  owner: Owner
  /** Leaf first. */
  stack: StackFrame[]
  /** Only where no JavaScript is on the stack: the thread that allocated, as profiles call it. */
  thread?: string
}

/** Sites that one reading tells of, frames of a site's stack, and characters of a name there, at most. */
export const MOST_SITES = 64
export const MOST_SITE_FRAMES = 48
export const MOST_SITE_CHARACTERS = 500

/** Who is being read: in the first line of a timeline, so that a report can be rebuilt from the file alone. */
export interface RunInfo {
  tidemark: string
  node: string
  pid: number
  script: string
  argv: string[]
  intervalMs: number
  startedAt: string
}

export interface Reading {
  /** Unix epoch, ms. */
  t: number
  rss: number
  /** Resident pages with no file behind them. */
  anon: number
  file: number
  shmem: number
  swap: number
  /** Resident bytes by owner; they sum to `rss`. */
  owners: OwnerBytes
  /** Owners whose bytes stand as the last whole ledger found them: this reading did not walk the allocator's memory. */
  carried?: Owner[]
  /** What the allocator holds, where this reading asked it. */
  allocator?: AllocatorReading
  heap?: HeapReading
  /** Major collections since the previous reading, and used heap bytes right after the last of them. */
  majorGc?: { count: number; usedAfter: number }
  limit?: MemoryLimit
  regions?: Record<string, RegionLine>
  /**
   * The sites with the most live bytes, at most MOST_SITES; in some readings, of processes that are being profiled. Those of
   * the JS heap are left out where it was not read anew.
   */
  sites?: SiteLine[]
  siteDefs?: SiteDef[]
  run?: RunInfo
}
