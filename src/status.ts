import { release } from 'node:os'
import { addonProblem, binding } from './binding.js'
import { TidemarkError, type TidemarkErrorCode } from './errors.js'
import { stacksStatus } from './profile/code-names.js'
import { memoryLimit } from './readings/limits.js'
import { checkPid } from './readings/pid.js'
import type { MemoryLimit } from './readings/reading.js'
import { takeReading } from './readings/take-reading.js'
import type { Capabilities, SamplingStatus } from './seam.js'
import { version } from './version.js'

export interface Status {
  tidemark: string
  node: string
  /** For example `linux x64, kernel 6.18.1`. */
  system: string
  addon: {
    loaded: boolean
    /** Why it is not; null when it is. */
    problem: string | null
  }
  capabilities: Capabilities
  /** Where each kind of reading comes from here, or why there is none. */
  readings: { usage: string; mappings: string; owners: string; malloc: string }
  /** Sampling of allocations, in this process. */
  profiler: ProfilerStatus
  limit: MemoryLimit
}

export interface ProfilerStatus extends SamplingStatus {
  /** `native and JavaScript`, or what is missing in stacks and why; `not tried yet` before the first profile. */
  stacks: string
}

/** What tidemark can see on this machine and what it cannot, each with its reason. */
export function status(): Status {
  const capabilities = binding.capabilities()
  const missing = `not available: ${addonProblem}`
  const native = addonProblem === null
  const { pagemapScan } = capabilities
  return {
    tidemark: version(),
    node: process.version,
    system: `${process.platform} ${process.arch}, kernel ${release()}`,
    addon: { loaded: native, problem: addonProblem },
    capabilities,
    readings: {
      usage: native ? '/proc/self/statm' : 'process.memoryUsage.rss(), without anon and file',
      mappings: native ? '/proc/PID/smaps' : missing,
      owners: native
        ? `maps with mincore; of other processes with ${pagemapScan ? 'PAGEMAP_SCAN' : 'pagemap'}`
        : 'process.memoryUsage(), the rest unexplained',
      malloc: native ? mallocWords(capabilities) : missing,
    },
    profiler: { ...binding.samplingStatus(), stacks: stacksStatus() },
    limit: memoryLimit(),
  }
}

/** Whose malloc it is, how it is asked for its live bytes, and what the answer is worth. */
function mallocWords(capabilities: Capabilities): string {
  const { allocator, allocatorAsked, allocatorConfidence, allocatorWhy } = capabilities
  const asked = allocatorAsked === '' ? 'cannot be asked' : `asked by ${allocatorAsked}`
  return `${allocator}, ${asked}; confidence in its live bytes: ${allocatorConfidence}, because ${allocatorWhy}`
}

export interface ProcessStatus {
  pid: number
  /** Whether a reading of that process works. */
  readable: boolean
  problem: { code: TidemarkErrorCode; message: string } | null
  limit: MemoryLimit | null
}

/**
 * Whether another process can be read, found out by reading it.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_ARGUMENT`
 */
export async function processStatus(pid: number): Promise<ProcessStatus> {
  checkPid(pid)
  try {
    const { limit } = await takeReading({ pid })
    return { pid, readable: true, problem: null, limit: limit ?? null }
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    return { pid, readable: false, problem: { code: error.code, message: error.message }, limit: null }
  }
}
