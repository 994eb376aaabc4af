import { addonProblem } from '../binding.js'
import { TidemarkError } from '../errors.js'
import type { Owner, OwnerBytes } from '../owners.js'
import { formatBytes } from '../units.js'
import { arrayBuffersIn, sampledBuffers } from './array-buffers.js'
import { checkPid } from './pid.js'
import { type Arena, type LedgerNumbers, readLedgerNumbers } from './raw-ledger.js'
import { livePool } from './take-reading.js'

/** Bytes between which the truth lies, where one of the owners cannot be told from another to the byte. */
export interface Uncertainty {
  low: number
  high: number
  /** A sentence: what is not known, and why. */
  why: string
}

/** Glibc's heaps, as its own chunk headers show them. Resident bytes. */
export interface AllocatorLedger {
  /** `glibc`, `musl`, `jemalloc`, `mimalloc`, `tcmalloc`; `unknown` of another process where nothing tells. */
  name: string
  /** Null where the allocator does not let live be told from free from here. */
  live: number | null
  free: number | null
  arenas: Arena[]
  /** Blocks that malloc mapped one by one: how many, their size, and what of it is resident. */
  blocks: { count: number; bytes: number; resident: number }
}

export interface Ledger {
  pid: number
  rss: number
  /** Resident bytes by owner. They sum to `rss`, `unexplained` included. */
  owners: OwnerBytes
  /** What no owner was found for: RSS less all of them; negative where they were counted later than it. */
  unexplained: number
  /** Of owners that are not exact; an owner that is absent is, to the page. */
  confidence: Partial<Record<Owner, Uncertainty>>
  /** What malloc_trim(0) would give back, by the pages of free chunks; NaN where it is not known. Nothing is called. */
  trimmable: number
  allocator: AllocatorLedger
  /** What cannot be known here, and what is known of `unexplained`. */
  notes: string[]
}

export interface LedgerOptions {
  /** Any process that may be traced, of any language; this one when absent. */
  pid?: number
}

/**
 * Accounts for every resident page of a process by owner: from page residency and the layout of the address space, and for
 * malloc's memory from glibc's own chunk headers, read without a lock and without code in the process. On a pool thread,
 * about 1 ms per GiB of pages and 25 to 120 ns a block.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_NO_PROCESS`, `…_PERMISSION`, `…_KERNEL_THREAD`, `…_PROC_READ`, `…_PROC_FORMAT`,
 *   `…_UNSUPPORTED` without the native addon
 */
export async function ledger(options: LedgerOptions = {}): Promise<Ledger> {
  const pid = checkPid(options.pid)
  if (addonProblem !== null) throw new TidemarkError('ERR_TIDEMARK_UNSUPPORTED', addonProblem)
  const numbers = await readLedgerNumbers(pid, 'whole')
  const { owners, walk, counters, rss, allocator } = numbers
  const confidence: Ledger['confidence'] = {}
  const notes: string[] = []
  if (counters) confidence['malloc-free'] = countersUncertainty(numbers, counters.live)
  if (pid === 0) splitArrayBuffers(numbers, confidence)
  else if (owners['js-heap']! > 0) {
    notes.push(
      'Seen from outside, malloc includes Buffers and ArrayBuffers, and nothing is told apart as the profiler’s.',
    )
  }
  notes.push(...allocatorNotes(numbers), ...unexplainedNotes(numbers))
  return {
    pid: options.pid ?? process.pid,
    rss,
    owners,
    unexplained: owners.unexplained!,
    confidence,
    trimmable: walk ? walk.trimmable : (counters?.releasable ?? Number.NaN),
    allocator: {
      name: allocator,
      live: walk ? walk.live.resident : counters ? owners.malloc! : null,
      free: walk || counters ? owners['malloc-free']! : null,
      arenas: walk ? walk.arenas : [],
      blocks: walk ? walk.blocks : { count: 0, bytes: 0, resident: 0 },
    },
    notes,
  }
}

/** Of this isolate, and as far as a profile runs, of workers: V8 counts theirs in the worker only. */
function splitArrayBuffers(numbers: LedgerNumbers, confidence: Ledger['confidence']): void {
  const { owners } = numbers
  const pool = livePool(numbers)
  const { low, likely, high } = arrayBuffersIn(pool, process.memoryUsage().arrayBuffers, sampledBuffers())
  const others = owners['array-buffers'] ?? 0
  const malloc = owners.malloc ?? 0
  owners['array-buffers'] = others + likely
  owners.malloc = malloc - likely
  if (high <= low) return
  const why = `array-buffers and malloc are exact together; of ${formatBytes(pool.bytes)} in live blocks ${formatBytes(pool.bytes - pool.resident)} were never touched, and whose those are is not known`
  confidence['array-buffers'] = { low: others + low, high: others + high, why }
  confidence.malloc = { low: malloc - high, high: malloc - low, why }
}

/** The counters of other allocators count untouched memory as if it were resident: what is live may be less, and free more. */
function countersUncertainty({ owners, allocator }: LedgerNumbers, live: number): Uncertainty {
  const free = owners['malloc-free'] ?? 0
  const pool = (owners.malloc ?? 0) + free
  return {
    low: free,
    high: pool,
    why: `${allocator} counts ${formatBytes(live)} in live blocks, touched or not, of ${formatBytes(pool)} resident; direct mappings of native code are counted as malloc’s`,
  }
}

function allocatorNotes({ walk, counters, allocator, owners }: LedgerNumbers): string[] {
  if (walk === null && counters === null) {
    const whose =
      allocator === 'unknown' || allocator === 'glibc' ? 'The allocator’s memory could not be read' : allocator
    return [`${whose}: live blocks are not told from freed ones, and malloc is all that the allocator may hold.`]
  }
  const found = (owners.malloc ?? 0) + (owners['malloc-free'] ?? 0)
  const mapped = owners.mmap ?? 0
  if (walk && mapped > LARGE && mapped > 10 * found) {
    return [
      `malloc holds ${formatBytes(found)} only: the program probably has an allocator of its own, whose memory is mmap.`,
    ]
  }
  return []
}

const LARGE = 16 * 2 ** 20
const WORTH_A_NOTE = 2 ** 20

function unexplainedNotes({ owners, moved, walk }: LedgerNumbers): string[] {
  const notes: string[] = []
  if (walk && walk.lost > 0) {
    notes.push(`${formatBytes(walk.lost)} of malloc’s heaps changed while they were walked, and are unexplained.`)
  }
  if (Math.abs(owners.unexplained!) >= WORTH_A_NOTE && Math.abs(moved) >= WORTH_A_NOTE) {
    notes.push(`RSS moved by ${formatBytes(moved, { signed: true })} while it was read.`)
  }
  return notes
}
