/** One reading of a process: the line of `timeline.ndjson`, and what the growth detector eats. Types only. */

import type { OwnerBytes } from '../owners.js'

/** The memory limit that the process will meet first, in bytes. */
export interface MemoryLimit {
  bytes: number
  source: 'cgroup' | 'rlimit' | 'system'
  /** Bytes charged against this limit now (a cgroup is charged for its other processes too). */
  used: number
}

/** V8's own numbers, for the isolate that took the reading. Bytes; `external` and `arrayBuffers` count untouched pages too. */
export interface HeapReading {
  used: number
  total: number
  external: number
  arrayBuffers: number
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
  heap?: HeapReading
  /** Major collections since the previous reading, and used heap bytes right after the last of them. */
  majorGc?: { count: number; usedAfter: number }
  limit?: MemoryLimit
  regions?: Record<string, RegionLine>
  run?: RunInfo
}
