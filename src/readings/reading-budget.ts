/**
 * Decides how deep each periodic reading may look, so that all of them together stay within a share of a CPU: with a walk over
 * malloc's memory, by page residency alone, or no further than the two numbers of statm. Pure.
 *
 * A fast leak has to be called within 20 s, when a thousandth of a CPU has not yet paid for one walk over a large heap: so a
 * fixed sum is there to begin with, which is released over the first 20 s.
 */

export type Depth = 'whole' | 'light' | 'none'

export interface Allowance {
  /** Of one CPU. */
  share: number
  /** CPU time beyond that, once, ms. */
  onceMs: number
}

/** Of the process itself. */
export const OWN_ALLOWANCE: Allowance = { share: 0.001, onceMs: 300 }

/** Of whoever watches another process, which is stalled by none of it for longer than 0.1 ms. */
export const OTHERS_ALLOWANCE: Allowance = { share: 0.1, onceMs: 1000 }

const RELEASED_MS = 20e3

export class ReadingBudget {
  readonly #allowance: Allowance
  readonly #startedAt: number
  readonly #spentMs = { whole: 0, light: 0 }
  /** What the last one of each depth has cost; 0 before: one that has not been tried yet is tried. */
  readonly #costMs = { whole: 0, light: 0 }

  /** @param now ms, of a clock that does not go back */
  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance
    this.#startedAt = now
  }

  /** How deep a reading may look now. Light ones take half at most: a second each of them would leave nothing for a walk. */
  depth(now: number): Depth {
    const allowed = this.#allowedMs(now)
    const { whole, light } = this.#spentMs
    const left = Math.max(0, allowed - whole - light)
    if (this.#costMs.whole <= left) return 'whole'
    return this.#costMs.light <= Math.min(left, Math.max(0, allowed / 2 - light)) ? 'light' : 'none'
  }

  spent(depth: Exclude<Depth, 'none'>, costMs: number): void {
    this.#costMs[depth] = costMs
    this.#spentMs[depth] += costMs
  }

  #allowedMs(now: number): number {
    const elapsed = Math.max(0, now - this.#startedAt)
    const { share, onceMs } = this.#allowance
    return share * elapsed + onceMs * Math.min(1, elapsed / RELEASED_MS)
  }
}
