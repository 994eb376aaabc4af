/** Takes the one periodic reading that everything above is fed with: timeline, watch, detector. */

import { getHeapStatistics } from 'node:v8'
import { addonProblem } from '../binding.js'
import type { Owner, OwnerBytes } from '../owners.js'
import { arrayBuffersIn, type Pool, sampledBuffers } from './array-buffers.js'
import { memoryLimit } from './limits.js'
import { checkPid } from './pid.js'
import { type LedgerNumbers, readLedgerNumbers } from './raw-ledger.js'
import type { AllocatorReading, HeapReading, MemoryLimit, Reading } from './reading.js'
import { usage } from './usage.js'

/** Fixed when the isolate was made. */
const HEAP_LIMIT = getHeapStatistics().heap_size_limit

function heapReading(): HeapReading {
  const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
  return { used: heapUsed, total: heapTotal, external, arrayBuffers, limit: HEAP_LIMIT }
}

/** Without the addon: what Node itself knows, the rest unexplained. */
function readingFromNode(): Reading {
  const { rss } = usage()
  const heap = heapReading()
  const owners: OwnerBytes = { 'js-heap': heap.total, 'array-buffers': heap.arrayBuffers }
  owners.unexplained = rss - heap.total - heap.arrayBuffers
  const nan = Number.NaN
  return { t: Date.now(), rss, anon: nan, file: nan, shmem: nan, swap: nan, owners, heap, limit: memoryLimit() }
}

/** Less than this is noise: the kernel's own counters are off by a batch of pages a CPU. */
const MOVED_BYTES = 256 * 1024

/** Live memory can grow unseen only into what malloc holds free. */
const UNSEEN_BYTES = 2 ** 20

/**
 * A reading of this process for the price of one pread, where memory has not moved since `taken`, which takeReading gave:
 * its owners stand, and what little has moved is unexplained. Null where it is more than that, or might be.
 */
export function unmovedReading(taken: Reading): Reading | null {
  const { rss, anon } = usage()
  const heap = heapReading()
  const drift = rss - taken.rss
  const still = Math.abs(drift) < MOVED_BYTES && Math.abs(anon - taken.anon) < MOVED_BYTES // not where anon is not known
  if (!still || (taken.owners['malloc-free'] ?? 0) > UNSEEN_BYTES) return null
  // What of malloc's memory is ArrayBuffers follows from V8's count of them, which moves while RSS stands still.
  if (!(Math.abs(heap.arrayBuffers - (taken.heap?.arrayBuffers ?? Number.NaN)) < MOVED_BYTES)) return null
  const owners = { ...taken.owners, unexplained: (taken.owners.unexplained ?? 0) + drift }
  // The limit stands too: finding it again means some ten files of /proc and cgroupfs, half the price of an idle watch.
  const { shmem, swap, limit, carried } = taken
  return {
    t: Date.now(),
    rss,
    anon,
    file: rss - anon - shmem,
    shmem,
    swap,
    owners,
    heap,
    ...(limit && { limit }),
    ...(carried && { carried }),
  }
}

export interface TakeReadingOptions {
  /** Another process; this one when absent. */
  pid?: number
  /** Looked for when absent: some ten files of /proc and cgroupfs. */
  limit?: MemoryLimit
}

/** A reading, and what it cost of a CPU, ms. */
export interface Taken {
  reading: Reading
  cpuMs: number
}

/**
 * One reading of a process: resident bytes by owner, that sum to `rss`, live and freed native memory told apart. Read on a
 * pool thread in short slices: about 1 ms of that thread per GiB of 4 KiB pages, and 25 to 120 ns for each block that
 * malloc holds; some 50 us of the calling thread.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_NO_PROCESS`, `…_PERMISSION`, `…_KERNEL_THREAD`, `…_PROC_READ`,
 *   `…_UNSUPPORTED` for another process without the addon
 */
export async function takeReading(options: TakeReadingOptions = {}): Promise<Reading> {
  return (await takeWholeReading(options)).reading
}

export async function takeWholeReading(options: TakeReadingOptions = {}): Promise<Taken> {
  const pid = checkPid(options.pid)
  if (pid === 0 && addonProblem !== null) return { reading: readingFromNode(), cpuMs: 0 }
  const numbers = await readLedgerNumbers(pid, 'whole')
  const reading = readingOf(numbers, options)
  const allocator = allocatorOf(numbers)
  if (allocator) reading.allocator = allocator
  if (reading.heap) {
    moveToArrayBuffers(
      numbers.owners,
      arrayBuffersIn(livePool(numbers), reading.heap.arrayBuffers, sampledBuffers()).likely,
    )
  }
  return { reading, cpuMs: numbers.cpuMs }
}

/**
 * The same without the walk over malloc's memory: of that, what `before` found stands, a whole reading of the same process,
 * and what has come since is taken for live.
 */
export async function takeLightReading(before: Reading, options: TakeReadingOptions = {}): Promise<Taken> {
  const numbers = await readLedgerNumbers(checkPid(options.pid), 'light')
  const reading = readingOf(numbers, options)
  if (before.allocator) reading.carried = carryOn(reading, before)
  else if (reading.heap) {
    moveToArrayBuffers(
      numbers.owners,
      arrayBuffersIn(livePool(numbers), reading.heap.arrayBuffers, sampledBuffers()).likely,
    )
  }
  return { reading, cpuMs: numbers.cpuMs }
}

function readingOf(
  { rss, anon, file, shmem, swap, owners }: LedgerNumbers,
  { pid, limit = memoryLimit(pid) }: TakeReadingOptions,
): Reading {
  const reading = { t: Date.now(), rss, anon, file, shmem, swap, owners, limit }
  return checkPid(pid) === 0 ? { ...reading, heap: heapReading() } : reading
}

/** Undefined where live is not told from free. */
function allocatorOf({ walk, counters, owners, allocator }: LedgerNumbers): AllocatorReading | undefined {
  if (walk) {
    const { live, free, trimmable, arenas } = walk
    const inThreadArenas = arenas.reduce((sum, arena) => sum + (arena.kind === 'thread' ? arena.free : 0), 0)
    return { name: 'glibc', live: live.resident, free, trimmable, inThreadArenas }
  }
  if (counters === null || allocator === 'unknown') return undefined
  const { malloc: live = 0, 'malloc-free': free = 0 } = owners
  return { name: allocator, live, free, trimmable: counters.releasable, inThreadArenas: 0 }
}

/** Live blocks, those of ArrayBuffers among them. Where nobody knows what was never touched, all of it is taken for touched. */
export function livePool({ walk, counters, owners }: LedgerNumbers): Pool {
  if (walk) return walk.live
  const resident = owners.malloc ?? 0
  return { resident, bytes: Math.max(resident, counters?.live ?? 0) }
}

function moveToArrayBuffers(owners: OwnerBytes, bytes: number): void {
  owners.malloc = (owners.malloc ?? 0) - bytes
  owners['array-buffers'] = (owners['array-buffers'] ?? 0) + bytes
}

/** Owners of what lies in malloc's memory or among its mappings, which only a walk tells apart; first what goes most easily. */
const WALKED = ['malloc-free', 'malloc', 'array-buffers', 'mmap'] as const

/** Divides the pool of `reading` as in `before`, and gives the owners for which that is no more than an assumption. */
function carryOn({ owners, heap }: Reading, before: Reading): Owner[] {
  const pool = WALKED.reduce((total, owner) => total + (owners[owner] ?? 0), 0)
  const was = (owner: Owner) => before.owners[owner] ?? 0
  // V8 goes on counting; where all that it counted was touched, so is what came since, and it changes places with what is free.
  const counted = before.heap?.arrayBuffers ?? Number.NaN
  const came = (heap?.arrayBuffers ?? Number.NaN) - counted
  const buffers = was('array-buffers') + came
  const known = was('array-buffers') >= TOUCHED * counted && buffers >= 0 && buffers <= pool
  const parts = {
    'malloc-free': was('malloc-free'),
    malloc: was('malloc'),
    'array-buffers': was('array-buffers'),
    mmap: was('mmap'),
  }
  if (known) {
    parts['array-buffers'] = buffers
    parts['malloc-free'] += Math.max(0, -came)
  }
  // What else has come since is taken for live, and what went from what can go most easily.
  let change = pool - WALKED.reduce((total, owner) => total + parts[owner], 0)
  parts.malloc += Math.max(0, change)
  const assumed = WALKED.filter((owner) => !known || owner !== 'array-buffers')
  for (const owner of assumed) {
    const left = parts[owner] + Math.min(0, change)
    parts[owner] = Math.max(0, left)
    change = Math.min(0, left)
  }
  Object.assign(owners, parts)
  return assumed
}

/** The rest is what V8 counts of buffers that it has begun to free. */
const TOUCHED = 0.98
