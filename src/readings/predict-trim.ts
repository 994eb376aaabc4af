/** What trim() would do, said without doing it. */

import { addonProblem, binding } from '../binding.js'
import { TidemarkError } from '../errors.js'
import { readLedgerNumbers } from './raw-ledger.js'

const MIB = 2 ** 20

export interface TrimPrediction {
  /** Whose malloc it is. */
  allocator: string
  /** The call that trim() makes, for example `malloc_trim(0)`. */
  call: string
  /** Bytes that the call should give back to the system; NaN where the allocator does not say what it could. */
  bytes: number
  /** How long a malloc of another thread, the JS thread too, may have to wait. 0 where none waits; else NaN where `bytes` is. */
  stallMs: { low: number; high: number }
  /** Which threads wait. */
  stalls: string
}

/**
 * Milliseconds that a malloc waits for each MiB that is given back: `low` where it lies in pieces of some hundred KiB,
 * `high` in pieces of one or two pages. Measured with 77 to 770 MiB on one machine with a CPU to spare (Linux 6.18;
 * glibc 2.36, jemalloc 5.3, mimalloc 2.0.9, gperftools 2.10), the JS thread allocating and freeing meanwhile. Its
 * longest malloc took as long as the call under glibc, and under tcmalloc for blocks above 256 KiB (278 MiB: 23 of 29 ms,
 * and 30 of 35); no longer than without the call under the others, whose calls take 0.07 to 1.2 ms a MiB.
 */
const STALLS: Record<string, { low: number; high: number; who: string }> = {
  glibc: {
    low: 0.07,
    high: 0.8,
    who: 'threads that allocate from the arena that is being walked, the JS thread among them',
  },
  tcmalloc: { low: 0.08, high: 0.7, who: 'threads that allocate more than their caches hold, or more than 256 KiB' },
  jemalloc: { low: 0, high: 0, who: 'none: other threads go on allocating' },
  mimalloc: { low: 0, high: 0, who: 'none: other threads go on allocating' },
}

/**
 * By the same reading as `ledger()`, on a pool thread. The bytes are whole pages of freed chunks under glibc, dirty pages under
 * jemalloc, the page heap under tcmalloc; mimalloc does not count them.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_UNSUPPORTED`, saying why, where the allocator has no such call
 */
export async function predictTrim(): Promise<TrimPrediction> {
  const { allocator, allocatorRelease: call } = binding.capabilities()
  const stall = STALLS[allocator]
  if (call === '' || stall === undefined) throw cannotTrim(addonProblem ?? noCall(allocator))
  const { walk, counters } = await readLedgerNumbers(0, 'whole')
  const bytes = walk?.trimmable ?? counters?.releasable ?? Number.NaN
  const mib = bytes / MIB
  // 0 also where the bytes are not known.
  const ms = (perMib: number) => (perMib === 0 ? 0 : perMib * mib)
  return { allocator, call, bytes, stallMs: { low: ms(stall.low), high: ms(stall.high) }, stalls: stall.who }
}

function cannotTrim(why: string): TidemarkError {
  return new TidemarkError('ERR_TIDEMARK_UNSUPPORTED', `freed memory cannot be given back on request here: ${why}`)
}

function noCall(allocator: string): string {
  const who =
    allocator === 'unknown'
      ? 'malloc is provided by an allocator that tidemark does not know'
      : `${allocator} has no call for it`
  return `${who}; glibc, jemalloc, mimalloc and tcmalloc have one`
}
