import { binding, out } from '../binding.js'
import { OUT } from '../seam.js'
import { procError } from './proc-error.js'

export interface Usage {
  /** Resident set size: physical memory mapped into the process, bytes. */
  rss: number
  /** The part of `rss` with no file behind it. NaN without the native addon. */
  anon: number
  /** The part of `rss` that is file-backed or shared memory. NaN without the native addon. */
  file: number
}

const { readUsage } = binding

/**
 * Resident memory of this process now, in bytes: one `pread` of a kept `/proc/self/statm`, well under a microsecond,
 * whatever the size of the process. Right after fork too. For hot paths.
 * The kernel keeps these counters per CPU and sums them approximately (since Linux 6.2); `mappings()` is exact.
 * @throws {TidemarkError} `ERR_TIDEMARK_PROC_READ` when /proc cannot be read
 * @see proc_pid_statm(5)
 */
export function usage(): Usage {
  readUsage()
  if (out[OUT.errno] !== 0) throw procError({ errno: out[OUT.errno]!, what: '/proc/self/statm', line: 0 }, 0)
  return { rss: out[OUT.rss]!, anon: out[OUT.anon]!, file: out[OUT.file]! }
}
