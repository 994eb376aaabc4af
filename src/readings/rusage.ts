import { binding, out } from '../binding.js'
import { TidemarkError } from '../errors.js'
import { OUT } from '../seam.js'

/** What the kernel has charged to a process, a thread or the ended children. Without the addon, NaN where Node cannot know. */
export interface ResourceUsage {
  /** Highest RSS so far, bytes; never falls. Of the whole process for 'thread'; of the largest child for 'children'. */
  peakRss: number
  /** Page faults served without I/O. */
  minorFaults: number
  /** Page faults that read from storage. */
  majorFaults: number
  userCpuMs: number
  systemCpuMs: number
  /** Blocks of 512 bytes read from storage. */
  blocksIn: number
  /** Blocks of 512 bytes written to storage. */
  blocksOut: number
  voluntarySwitches: number
  involuntarySwitches: number
}

type Who = 'self' | 'thread' | 'children'

// Each reader is called where it is named: to look one up and call it costs V8 a sixth of the system call.
function read(who: Who): void {
  switch (who) {
    case 'self':
      binding.readRusageSelf()
      break
    case 'thread':
      binding.readRusageThread()
      break
    case 'children':
      binding.readRusageChildren()
      break
    default:
      throw new TidemarkError(
        'ERR_TIDEMARK_ARGUMENT',
        `rusage() takes 'self', 'thread' or 'children', not ${String(who)}`,
      )
  }
}

/**
 * One `getrusage` of this process, the calling thread, or all children that have ended and been waited for
 * (what an operation moved into a child process has cost).
 * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` for any other `who`
 * @see getrusage(2)
 */
export function rusage(who: Who = 'self'): ResourceUsage {
  read(who)
  return {
    peakRss: out[OUT.peakRss]!,
    minorFaults: out[OUT.minorFaults]!,
    majorFaults: out[OUT.majorFaults]!,
    userCpuMs: out[OUT.userCpuMs]!,
    systemCpuMs: out[OUT.systemCpuMs]!,
    blocksIn: out[OUT.blocksIn]!,
    blocksOut: out[OUT.blocksOut]!,
    voluntarySwitches: out[OUT.voluntarySwitches]!,
    involuntarySwitches: out[OUT.involuntarySwitches]!,
  }
}
