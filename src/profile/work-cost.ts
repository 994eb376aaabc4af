/** What work of tidemark's own costs the thread of the service, where it waits in between: for whoever paces it by that. */

import { rusage } from '../readings/rusage.js'

/**
 * The less of the time that passed and the CPU time of this thread: neither a busy machine nor what the work waits for counts.
 * What else the thread did meanwhile does, so of two in a row the less dear one is what it costs.
 */
export class WorkCost {
  #wallMs = 0
  #cpuMs = 0
  #latestMs = 0

  begin(): void {
    const { wallMs, cpuMs } = now()
    this.#wallMs = wallMs
    this.#cpuMs = cpuMs
  }

  /** ms; of the first work 0, as code that runs for the first time says little. */
  end(): number {
    const { wallMs, cpuMs } = now()
    const before = this.#latestMs
    this.#latestMs = Math.min(wallMs - this.#wallMs, cpuMs - this.#cpuMs)
    return Math.min(before, this.#latestMs)
  }
}

function now(): { wallMs: number; cpuMs: number } {
  const wallMs = performance.now()
  const { userCpuMs, systemCpuMs } = rusage('thread')
  const cpuMs = userCpuMs + systemCpuMs
  return { wallMs, cpuMs: Number.isNaN(cpuMs) ? wallMs : cpuMs }
}
