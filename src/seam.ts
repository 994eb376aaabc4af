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
  /** Major collections of this thread's isolate since the first reading of them, and bytes in use as the last one ended. NaN where V8 does not tell. */
  majorGcs: 18,
  usedAfterMajorGc: 19,
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

/** Slots of `RawLedger.cells`; sizes in bytes. The bytes of each owner, in the order of OWNERS, follow. */
export const LEDGER = {
  rss: 0,
  anon: 1,
  file: 2,
  shmem: 3,
  swap: 4,
  mappings: 5,
  source: 6,
  /** What RSS grew by while it was read. */
  moved: 7,
  /** Of the pool thread. */
  cpuMs: 8,
  /** 1 where glibc's heaps were walked: then `malloc-free` and `mmap` are told from `malloc`. */
  walked: 9,
  /** Blocks that malloc mapped one by one: how many, their size, and what of them is resident. */
  blocks: 10,
  blockBytes: 11,
  blockResident: 12,
  /** In ALLOCATORS of readings/reading.ts, after `unknown`. */
  allocator: 13,
  /** What an allocator other than glibc's says of itself, of this process: live bytes, its own, and those it would give back; or NaN. */
  allocatorLive: 14,
  allocatorMetadata: 15,
  allocatorReleasable: 16,
  owners: 17,
} as const

/** Cells of a row of `RawLedger.arenas`: one malloc arena of glibc. Bytes, resident except for `liveBytes`. */
export const ARENA_CELLS = {
  /** 0: the main arena; it may have several rows. */
  address: 0,
  heaps: 1,
  chunks: 2,
  freeChunks: 3,
  live: 4,
  free: 5,
  /** Of `free`: the chunk from which the arena grows. */
  top: 6,
  /** Whole pages of other free chunks, and of the top. */
  trimmable: 7,
  trimmableTop: 8,
  /** Where no chunk was to be found. */
  lost: 9,
  /** Of live chunks, resident or not. */
  liveBytes: 10,
  length: 11,
} as const

export interface RawLedger {
  cells: Float64Array
  arenas: Float64Array
}

/** What releaseFreeMemory gives: bytes right before and after the call, and how long it took. */
export const RELEASE = {
  rssBefore: 0,
  rssAfter: 1,
  anonBefore: 2,
  anonAfter: 3,
  ms: 4,
} as const

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

/** Cells of a row of `RawSamples.frames`. Names index `strings`; -1 is none. */
export const FRAME_CELLS = {
  /** 0 unknown, 1 JavaScript, 2 native. */
  kind: 0,
  name: 1,
  /** The callee that was inlined here. */
  inlined: 2,
  /** Characters from the start of the script to the call; -1 where it is not known. */
  position: 3,
  module: 4,
  /** Link-time address of the call, and of its function. */
  address: 5,
  function: 6,
  length: 7,
} as const

/** Cells of a row of `RawSamples.modules`: one object (executable or library) whose code was seen. */
export const MODULE_CELLS = { path: 0, buildId: 1, start: 2, end: 3, bias: 4, kind: 5, own: 6, length: 7 } as const

/** Cells of a row of `RawSamples.traces`; `first` and `frames` are a range of `stack`, which holds rows of `frames`, leaf first. */
export const TRACE_CELLS = {
  first: 0,
  frames: 1,
  /** Bits: 1 partial, 2 truncated. */
  flags: 2,
  region: 3,
  thread: 4,
  /** Five each: count, bytes, variance of the count, of the bytes, samples. */
  allocated: 5,
  live: 10,
  old: 15,
  /** Bytes of `live` in pages that were touched. */
  liveResident: 20,
  length: 21,
} as const

/** What was sampled since the session began. */
export interface RawSamples {
  seconds: number
  /** Bytes between samples, now. */
  interval: number
  frames: Float64Array
  modules: Float64Array
  traces: Float64Array
  stack: Uint32Array
  strings: string[]
}

/** Cells of a row of `readRegionSums`. */
export const REGION_CELLS = {
  region: 0,
  thread: 1,
  allocated: 2,
  allocatedVariance: 3,
  live: 4,
  liveVariance: 5,
  length: 6,
} as const

/** How allocation sampling fares. */
export interface SamplingStatus {
  running: boolean
  /** Loaded objects with hooked slots, and the slots by their kind of relocation. */
  objects: number
  slots: number
  jumpSlots: number
  globDats: number
  absolutes: number
  /** Slots that could not be made writable, and slots that hold another allocator's function. */
  refused: number
  foreign: number
  unpatched: { object: string; reason: string }[]
  /** The longest pass over all slots. */
  installMs: number
  /** operator new and delete are hooked as well: here they do not lead to malloc. */
  operators: boolean
  /** The object that provides malloc. */
  provider: string
  samples: number
  liveSamples: number
  liveCapacity: number
  /** Samples lost because a table was full or its lock held. */
  dropped: number
  /** Sampled blocks whose free was not seen: another block came to their address. */
  replaced: number
  /** Frees that the filter let through and the live set did not know. */
  unmatched: number
  /** How often the interval was doubled because the live set filled up. */
  thinned: number
  /** Samples whose stack had no room. */
  overflows: number
  /** Samples whose stack is deeper than 128 frames, those with frames missing, and those that asked V8 for the JavaScript part. */
  truncated: number
  partial: number
  jsFallbacks: number
  lateDrains: number
  unwindBytes: number
  unwindMs: number
  nodeKeepsFramePointers: boolean
  codeEntries: number
  codeBytes: number
  codeDropped: number
}

export interface Capabilities {
  /** ioctl PAGEMAP_SCAN on our own pagemap, Linux 6.7 and later. */
  pagemapScan: boolean
  /** `glibc 2.36`, or `musl`. */
  libc: string
  /** Whose malloc answers: `glibc`, `musl`, `jemalloc`, `mimalloc`, `tcmalloc`; `unknown` for any other. */
  allocator: string
  /** What tells how many bytes of its blocks are in use; '' where nothing does. */
  allocatorAsked: string
  /** In that number: `low`, or `none` where there is no such number; and why. */
  allocatorConfidence: string
  allocatorWhy: string
  /** The call that gives back what it holds free; '' where it has none. */
  allocatorRelease: string
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
  /** Begins to count at the first call on this thread. */
  readMajorGcs(): void
  /** The region that native code sees on this thread: the word handed over by `share`. */
  currentRegion(): number
  /** /proc/PID/smaps, read and parsed on a pool thread; pid 0 is this process, here and below. Rejects with a NativeFailure. */
  readSmaps(pid: number): Promise<RawTable>
  /** maps and the residency of anonymous memory, read on a pool thread in slices. Rejects with a NativeFailure. */
  readGrowth(pid: number): Promise<RawTable>
  /** The same, summed by owner, with a walk over malloc's memory or without. Reject with a NativeFailure. */
  readLedger(pid: number): Promise<RawLedger>
  readLightLedger(pid: number): Promise<RawLedger>
  /** Has the allocator give back what it holds free: see RELEASE. On a pool thread, one at a time; the argument is not used. Rejects with a NativeFailure. */
  releaseFreeMemory(_: number): Promise<Float64Array>
  capabilities(): Capabilities
  /** Hooks the allocators and takes samples. 0 or an errno: ENOSYS no malloc to hook, EALREADY, ENOMEM. */
  startSampling(intervalBytes: number, liveCapacity: number): number
  stopSampling(): void
  setSamplingInterval(bytes: number): void
  /** Everything sampled so far, named on a pool thread. Blocks at least `oldMs` old are counted as old too. Rejects with a NativeFailure. */
  readSamples(oldMs: number): Promise<RawSamples>
  /** Only the traces of which a block lives. */
  readLiveSamples(oldMs: number): Promise<RawSamples>
  /** What each region has allocated, and what of it lives, in bytes; at once. Null while samples are being read. */
  readRegionSums(): Float64Array | null
  /** Stays the same as long as the sampled live blocks that are at least `oldMs` old do. */
  oldBlocks(oldMs: number): number
  samplingStatus(): SamplingStatus
  /** Listens to the code that this thread's V8 makes; `existing` also walks what is there. 0 on, 1 already, 2 not possible here. */
  watchCode(existing: boolean): number
  /** Names of threads, by the number that samples have; they only become more. '' is a thread called as the process is. */
  threadNames(): string[]
  /** What this thread is called in profiles. */
  nameThread(name: string): void
  /** Code names of the JavaScript functions that called this, leaf first, as a sample would find them. */
  captureStack(): string[]
}
