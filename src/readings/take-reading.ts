/** Takes the one periodic reading that everything above is fed with: timeline, watch, detector. */

import { addonProblem, binding } from '../binding.js'
import { OWNERS, type OwnerBytes } from '../owners.js'
import { LEDGER } from '../seam.js'
import { memoryLimit } from './limits.js'
import { checkPid } from './pid.js'
import { noMemoryError, procError } from './proc-error.js'
import type { HeapReading, Reading } from './reading.js'
import { usage } from './usage.js'

function heapReading(): HeapReading {
  const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
  return { used: heapUsed, total: heapTotal, external, arrayBuffers }
}

/**
 * Moves the bytes that Node counts as array buffers from `malloc` to `array-buffers`: their memory is the allocator's,
 * so the address space shows one pool. The counter includes pages that were never touched, so it is an upper bound;
 * what does not fit into the pool's resident bytes is not resident.
 */
function splitArrayBuffers(owners: OwnerBytes, counted: number): void {
  const pool = owners.malloc ?? 0
  const buffers = Math.min(counted, pool)
  owners.malloc = pool - buffers
  owners['array-buffers'] = (owners['array-buffers'] ?? 0) + buffers
}

async function readLedger(pid: number): Promise<Float64Array> {
  try {
    return await binding.readLedger(pid)
  } catch (failure) {
    throw procError(failure, pid)
  }
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

export interface TakeReadingOptions {
  /** Another process; this one when absent. */
  pid?: number
}

/** Less than this is noise: the kernel's own counters are off by a batch of pages a CPU. */
const MOVED_BYTES = 256 * 1024

/**
 * A reading of this process for the price of one pread, where memory has not moved since `taken`, which takeReading gave:
 * its owners stand, and what little has moved is unexplained. Null where it is more than that.
 */
export function unmovedReading(taken: Reading): Reading | null {
  const { rss, anon } = usage()
  const drift = rss - taken.rss
  const still = Math.abs(drift) < MOVED_BYTES && Math.abs(anon - taken.anon) < MOVED_BYTES // not where anon is not known
  if (!still) return null
  const owners = { ...taken.owners, unexplained: (taken.owners.unexplained ?? 0) + drift }
  // The limit stands too: finding it again means some ten files of /proc and cgroupfs, half the price of an idle watch.
  const { shmem, swap, limit } = taken
  return {
    t: Date.now(),
    rss,
    anon,
    file: rss - anon - shmem,
    shmem,
    swap,
    owners,
    heap: heapReading(),
    ...(limit && { limit }),
  }
}

/**
 * One reading of a process: resident bytes by owner, that sum to `rss`. Read on a pool thread in short slices; about
 * 1 ms of that thread per GiB of 4 KiB pages, and some 50 us of the calling thread.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_NO_PROCESS`, `…_PERMISSION`, `…_KERNEL_THREAD`, `…_PROC_READ`,
 *   `…_UNSUPPORTED` for another process without the addon
 */
export async function takeReading(options: TakeReadingOptions = {}): Promise<Reading> {
  const pid = checkPid(options.pid)
  if (pid === 0 && addonProblem !== null) return readingFromNode()
  const ledger = await readLedger(pid)
  if (ledger[LEDGER.mappings] === 0) throw noMemoryError(pid)
  const owners: OwnerBytes = {}
  OWNERS.forEach((owner, i) => {
    owners[owner] = ledger[LEDGER.owners + i]!
  })
  const shmem = ledger[LEDGER.shmem]!
  const reading: Reading = {
    t: Date.now(),
    rss: ledger[LEDGER.rss]!,
    anon: ledger[LEDGER.anon]!,
    file: ledger[LEDGER.file]! - shmem,
    shmem,
    swap: ledger[LEDGER.swap]!,
    owners,
    limit: memoryLimit(options.pid),
  }
  if (pid === 0) {
    reading.heap = heapReading()
    splitArrayBuffers(owners, reading.heap.arrayBuffers)
  }
  return reading
}
