/** Has the allocator give back what it holds free, and says what came of it. */

import { binding } from '../binding.js'
import { RELEASE } from '../seam.js'
import { predictTrim, type TrimPrediction } from './predict-trim.js'
import { procError } from './proc-error.js'

export type { TrimPrediction } from './predict-trim.js'

export interface TrimOptions {
  /** Only say what it would do. */
  dryRun?: boolean
}

export interface Trim {
  /** What was said just before. */
  predicted: TrimPrediction
  /** Bytes of anonymous memory that went, read right around the call. What other threads took meanwhile is in it. */
  returned: number
  rss: { before: number; after: number }
  /** How long the call took. */
  ms: number
}

/**
 * A diagnostic: what the allocator keeps after `free` goes back to the system, so that what remains is in use. Memory
 * that the program will soon want again costs page faults, so nothing here calls it by itself.
 *
 * The call is made on a pool thread, one at a time in the process, and can stall threads that allocate meanwhile, the
 * JS thread too: `trim({ dryRun: true })` says for how long and what it should give back. Never given back are the tops
 * of glibc's thread arenas, what jemalloc and tcmalloc keep in threads' caches, and what each thread's own heap keeps
 * under mimalloc. `returned` is off by the kernel's batch of pages a CPU, some 256 KiB.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_UNSUPPORTED` where the allocator gives nothing back on request (musl),
 *   is not known, or without the addon; `ERR_TIDEMARK_PROC_READ`
 * @see malloc_trim(3); jemalloc(3) `arena.<i>.purge`; mimalloc `mi_collect`; gperftools `ReleaseFreeMemory`
 */
export function trim(options: TrimOptions & { dryRun: true }): Promise<TrimPrediction>
export function trim(options?: TrimOptions & { dryRun?: false }): Promise<Trim>
export function trim(options?: TrimOptions): Promise<Trim | TrimPrediction>
export async function trim({ dryRun = false }: TrimOptions = {}): Promise<Trim | TrimPrediction> {
  const predicted = await predictTrim()
  if (dryRun) return predicted
  const release = await releaseFreeMemory()
  return {
    predicted,
    returned: release[RELEASE.anonBefore]! - release[RELEASE.anonAfter]!,
    rss: { before: release[RELEASE.rssBefore]!, after: release[RELEASE.rssAfter]! },
    ms: release[RELEASE.ms]!,
  }
}

async function releaseFreeMemory(): Promise<Float64Array> {
  try {
    return await binding.releaseFreeMemory(0)
  } catch (failure) {
    throw procError(failure, 0)
  }
}
