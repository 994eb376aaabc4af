/**
 * A process that allocates and times it, under whatever allocator it was started with. It loads a profiler only when it is
 * asked to profile, so that a process which never is has nothing of it.
 */

import type { ProfileSession } from 'tidemark'
import { loadAllocations } from '../sampling/allocations.js'

export interface AllocatingRequest {
  loop: number
  operations: number
  threads: number
  /** What samples meanwhile, and how often on average, in bytes. */
  profiler?: 'tidemark' | 'datadog'
  intervalBytes?: number
}

/** Of @datadog/pprof; it is no dependency of the types either. */
interface DatadogHeap {
  start(intervalBytes: number, stackDepth: number): void
  stop(): void
}

const allocations = loadAllocations()

async function whileProfiled(request: AllocatingRequest, measure: () => number): Promise<number> {
  if (request.profiler === 'tidemark') {
    const { profile } = require('tidemark') as typeof import('tidemark')
    const session: ProfileSession = profile.start({ intervalBytes: request.intervalBytes!, jsHeap: false })
    const value = measure()
    await session.stop()
    return value
  }
  if (request.profiler === 'datadog') {
    const { heap } = require('@datadog/pprof') as { heap: DatadogHeap }
    heap.start(request.intervalBytes!, 64)
    const value = measure()
    heap.stop()
    return value
  }
  return measure()
}

process.on('message', async (request: AllocatingRequest) => {
  const { loop, operations, threads } = request
  process.send!(await whileProfiled(request, () => allocations.run(loop, operations, threads)))
})
process.send!('ready')
