/**
 * What crosses between TypeScript and `native/`: the functions, and the layout of the numbers they exchange. No code.
 */

/**
 * Slots of the shared `out` array. Hot readings write here instead of building objects: a result object made
 * through Node-API costs 2 us, these stores cost nothing. Mirrored in native/addon/out_slots.h.
 */
export const OUT = {
  /** 0, or the errno of the reading that failed. */
  errno: 0,
  rss: 1,
  anon: 2,
  file: 3,
  userCpuMs: 4,
  systemCpuMs: 5,
  peakRss: 6,
  minorFaults: 7,
  majorFaults: 8,
  blocksIn: 9,
  blocksOut: 10,
  voluntarySwitches: 11,
  involuntarySwitches: 12,
  mallocInUse: 13,
  mallocFree: 14,
  mallocArenas: 15,
  mallocMapped: 16,
  /** Bytes that addons and V8 have declared as external to this isolate's heap. */
  external: 17,
  length: 24,
} as const

/** Cells of a row of the full table (smaps), in native order; sizes in bytes. `name` and `flags` index the string lists. */
export const SMAPS_CELLS = [
  'start',
  'end',
  'perms',
  'offset',
  'device',
  'inode',
  'name',
  'flags',
  'kernelPageSize',
  'mmuPageSize',
  'rss',
  'pss',
  'pssDirty',
  'sharedClean',
  'sharedDirty',
  'privateClean',
  'privateDirty',
  'referenced',
  'anon',
  'ksm',
  'lazyFree',
  'anonHuge',
  'shmemHuge',
  'fileHuge',
  'sharedHugetlb',
  'privateHugetlb',
  'swap',
  'swapPss',
  'locked',
  'thpEligible',
  'protectionKey',
  'owner',
] as const

/** Cells of a row of the growth table (maps + residency of anonymous memory), in native order; sizes in bytes. */
export const GROWTH_CELLS = [
  'start',
  'end',
  'perms',
  'offset',
  'device',
  'inode',
  'name',
  'anon',
  'swap',
  'owner',
] as const

/** Row-major numbers (`cells[r * width + c]`) with the strings they refer to, each kept once. */
export interface RawTable {
  rows: number
  cells: Float64Array
  names: string[]
  /** smaps only. */
  flags?: string[]
}

/** First slots of what readLedger gives; the bytes of each owner, in the order of OWNERS, follow. */
export const LEDGER = { rss: 0, anon: 1, file: 2, shmem: 3, swap: 4, mappings: 5, source: 6, owners: 7 } as const

/** How residency was counted: the `source` of a ledger. */
export const RESIDENCY_SOURCES = ['mincore', 'pagemap-scan', 'pagemap'] as const

/** What failed natively: which file or call, and why. */
export interface NativeFailure {
  errno: number
  /** For example `/proc/4242/smaps`. */
  what: string
  /** Line of the text that could not be parsed, 1-based; 0 where the text was not the problem. */
  line: number
}

export interface Capabilities {
  /** ioctl PAGEMAP_SCAN on our own pagemap, Linux 6.7 and later. */
  pagemapScan: boolean
  /** `glibc 2.36`, or `musl`. */
  libc: string
  /** Whose malloc answers: `glibc`, `musl`, `jemalloc`, `mimalloc`, `tcmalloc`. */
  allocator: string
  pageSize: number
  /** A cached fd survives fork safely (MADV_WIPEONFORK, Linux 4.14 and later). */
  wipeOnFork: boolean
}

export interface Binding {
  /** Hands native code this thread's `out` array and the word that holds the current region; called once per thread. */
  share(out: Float64Array, region: Int32Array): void
  /** One pread of statm: rss, anon, file. */
  readUsage(): void
  /** One getrusage each: CPU, peak, faults, blocks, switches. */
  readRusageSelf(): void
  readRusageThread(): void
  readRusageChildren(): void
  /** readUsage and readRusageThread in one crossing: what a measured region needs at each end. */
  readRegionEdge(): void
  /** mallinfo2: walks every free chunk under the arena locks, so not for hot paths. NaN where the allocator is not glibc. */
  readMalloc(): void
  /** Bytes declared external to this isolate's heap. */
  readExternal(): void
  /** The region that native code sees on this thread: the word handed over by `share`. */
  currentRegion(): number
  /** /proc/PID/smaps, read and parsed on a pool thread; pid 0 is this process, here and below. Rejects with a NativeFailure. */
  readSmaps(pid: number): Promise<RawTable>
  /** maps and the residency of anonymous memory, read on a pool thread in slices. Rejects with a NativeFailure. */
  readGrowth(pid: number): Promise<RawTable>
  /** The same, summed by owner: see LEDGER. Rejects with a NativeFailure. */
  readLedger(pid: number): Promise<Float64Array>
  capabilities(): Capabilities
}
