/**
 * Decides how deep each periodic reading may look, so that all of them together stay within a share of a CPU: with a walk over
 * malloc's memory, by page residency alone, or no further than the two numbers of statm. Pure.
 *
 * A fast leak has to be called within 20 s, when a thousandth of a CPU has not yet paid for one walk over a large heap: so a
 * fixed sum is there to begin with, released over ten minutes as the logarithm of time, so that each doubling of what was seen
 * has as many walks.
 */

export type Depth = 'whole' | 'light' | 'none'

export interface Allowance {
  /** Of one CPU. */
  share: number
  /** CPU time beyond that, once, ms. */
  onceMs: number
}

/** Of the process itself. All that a watch does is to stay within a thousandth; a fifth of that is left to its timers and sums. */
export const OWN_ALLOWANCE: Allowance = { share: 0.0008, onceMs: 600 }

/** Of whoever watches another process, which is stalled by none of it for longer than 0.1 ms. */
export const OTHERS_ALLOWANCE: Allowance = { share: 0.1, onceMs: 1000 }

const FIRST_MS = 10e3
const RELEASED_MS = 600e3

/** CPU time, ms, that may be spent by `elapsed` ms after the start. */
export function allowedMs({ share, onceMs }: Allowance, elapsed: number): number {
  const released = Math.min(1, Math.log1p(elapsed / FIRST_MS) / Math.log1p(RELEASED_MS / FIRST_MS))
  return share * elapsed + onceMs * released
}

export class ReadingBudget {
  readonly #allowance: Allowance
  readonly #startedAt: number
  #spentMs = 0
  /** What the last one of each depth has cost; 0 before: one that has not been tried yet is tried. */
  readonly #costMs = { whole: 0, light: 0 }
  #lightAt = Number.NEGATIVE_INFINITY

  /** @param now ms, of a clock that does not go back */
  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance
    this.#startedAt = now
  }

  /** How deep a reading may look now. Light ones take half at most of what comes in: all of it would leave nothing for a walk. */
  depth(now: number): Depth {
    const left = Math.max(0, allowedMs(this.#allowance, Math.max(0, now - this.#startedAt)) - this.#spentMs)
    const { whole, light } = this.#costMs
    if (whole <= left) return 'whole'
    return light <= Math.min(left, (this.#allowance.share / 2) * (now - this.#lightAt)) ? 'light' : 'none'
  }

  spent(depth: Exclude<Depth, 'none'>, costMs: number, now: number): void {
    this.#costMs[depth] = costMs
    this.#spentMs += costMs
    if (depth === 'light') this.#lightAt = now
  }
}
