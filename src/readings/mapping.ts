/** One mapping (VMA) of a process, and sums over some. Types only. */

import type { Owner } from '../owners.js'

/** A row of smaps. Sizes are bytes. In a table of anonymous memory only, what smaps alone knows is NaN. */
export interface Mapping {
  start: number
  /** Exclusive. */
  end: number
  /** `end - start`: virtual size. */
  size: number
  /** For example `rw-p`; the last letter says private or shared. */
  perms: string
  /** Into the file. */
  offset: number
  /** For example `fe:00`. */
  device: string
  inode: number
  /** Path, `[heap]`, `[stack]`, `[anon:…]`; empty for plain anonymous memory. The kernel writes a newline as `\012`. */
  name: string
  /** smaps VmFlags: `rd wr mr mw me ac`. */
  flags: string
  /** What kind of memory it is, from the layout; a private file mapping is `program` (its unwritten pages are `file`). */
  owner: Owner
  rss: number
  /** `rss` with each page divided by the number of processes that map it. */
  pss: number
  /** Resident with no file behind it, private file pages after a write included. */
  anon: number
  swap: number
  swapPss: number
  kernelPageSize: number
  mmuPageSize: number
  pssDirty: number
  sharedClean: number
  sharedDirty: number
  privateClean: number
  privateDirty: number
  referenced: number
  ksm: number
  lazyFree: number
  anonHuge: number
  shmemHuge: number
  fileHuge: number
  sharedHugetlb: number
  privateHugetlb: number
  locked: number
  /** 1 where transparent huge pages may be used. */
  thpEligible: number
  protectionKey: number
}

/** The fields of a mapping that are numbers. */
export type MappingColumn = Exclude<keyof Mapping, 'perms' | 'device' | 'name' | 'flags' | 'owner'>

/** Sums over some mappings, bytes. */
export interface MappingTotals {
  count: number
  size: number
  rss: number
  pss: number
  anon: number
  swap: number
}
