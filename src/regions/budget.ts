/**
 * Decides which calls of a region are measured, so that all measuring stays within a fraction of wall time. Pure.
 * The chance of a call is fixed before the call, from the calls and the costs of earlier windows; therefore dividing
 * what a measured call shows by its chance estimates the sum over all calls without bias (Horvitz and Thompson), however
 * the chances change later. The calls between two measured ones are drawn from the geometric distribution: every k-th
 * call would see only one phase of a program that repeats itself. A region's chance starts at 1: rare regions are exact.
 */

export const WINDOW_MS = 1000

/** Keeps every gap well below 2^31. At the 50 million calls a second of an empty loop this still costs only 0.01 %. */
const LEAST_CHANCE = 1e-6

/** Part of a window's allowance that is kept while earlier overspending is paid back, so that estimates never stop. */
const LEAST_ALLOWANCE = 0.25

/** Measured calls over which the mean cost of one forgets. */
const COST_MEMORY = 64

/** One region's place in the lottery. The caller decrements `gap` on each call; the call that finds it below 0 is measured. */
export class Countdown {
  gap = 0
  drawn = 0
  counted = 0
  /** The chance that the next call is measured. */
  chance = 1
  /** Calls to expect in one window. */
  expected = 0
  seen = 0

  /** Calls so far: counted through the gaps, so that an unmeasured call costs one decrement. */
  get calls(): number {
    return this.counted + this.drawn - this.gap
  }
}

export class Budget {
  /** Time spent measuring so far, ms. */
  spentMs = 0
  #fraction: number
  #countdowns: Countdown[] = []
  #costMs = 0
  #measured = 0
  #windowStart: number
  #windowSpent = 0
  #allowance: number
  /** Allowed but not spent so far, at most one window's worth; below 0 when overspent. */
  #saved = 0
  #random: () => number

  /**
   * @param fraction share of wall time that measuring may take, above 0; 1 measures every call
   * @param now ms since the process (or its thread) started: what it had been allowed so far is there to begin with
   */
  constructor(fraction: number, now: number, seed: number) {
    this.#fraction = fraction
    this.#windowStart = now
    this.#allowance = fraction * Math.min(now, WINDOW_MS)
    this.#random = uniform(seed)
  }

  get fraction(): number {
    return this.#fraction
  }

  /** Some calls go unmeasured: somebody must call `turn` about once a window, or a region that has gone quiet waits out its gap. */
  get sampling(): boolean {
    return this.#countdowns.some(({ chance }) => chance < 1)
  }

  add(countdown: Countdown): void {
    this.#countdowns.push(countdown)
  }

  /** Sets another fraction from `now` on. What was saved or overspent under the old one is forgotten. */
  change(fraction: number, now: number): void {
    this.#fraction = fraction
    this.#saved = 0
    this.#windowSpent = fraction * (now - this.#windowStart)
    this.turn(now)
  }

  /** Counts the call that has just been chosen, draws the gap to the next one, and returns the chance this one had. */
  choose(countdown: Countdown): number {
    const { chance } = countdown
    countdown.counted += countdown.drawn + 1
    this.#draw(countdown)
    return chance
  }

  /** Pays for a rehearsal. Chances stay: the call that it is for has been chosen at its chance and must be measured. */
  charge(costMs: number): void {
    this.spentMs += costMs
    this.#windowSpent += costMs
  }

  /** Pays for one measured call; true when that ended the window and chances have changed. */
  spend(costMs: number, now: number): boolean {
    this.charge(costMs)
    this.#measured++
    this.#costMs += (costMs - this.#costMs) / Math.min(this.#measured, COST_MEMORY)
    if (this.#windowSpent < this.#allowance && now - this.#windowStart < WINDOW_MS) return false
    this.turn(now)
    return true
  }

  /** With probability `chance`. */
  toss(chance: number): boolean {
    return this.#random() < chance
  }

  /** Ends the window: sets every chance for the next one from the calls seen in this one. */
  turn(now: number): void {
    const elapsed = Math.max(now - this.#windowStart, 1e-3)
    const perWindow = this.#fraction * WINDOW_MS
    this.#saved = Math.min(this.#saved + this.#fraction * elapsed - this.#windowSpent, perWindow)
    this.#allowance = Math.max(perWindow + this.#saved, perWindow * LEAST_ALLOWANCE)
    this.#windowStart = now
    this.#windowSpent = 0

    // Up at once, down by half a window: a rate that comes and goes must not be met with the chances of a quiet time.
    const fade = 0.5 ** (elapsed / WINDOW_MS)
    for (const countdown of this.#countdowns) {
      const { calls } = countdown
      countdown.expected = Math.max(((calls - countdown.seen) * WINDOW_MS) / elapsed, countdown.expected * fade)
      countdown.seen = calls
    }
    const share = this.#fraction < 1 ? this.#fairShare() : Number.POSITIVE_INFINITY
    for (const countdown of this.#countdowns) {
      countdown.chance = Math.max(Math.min(share / countdown.expected, 1), LEAST_CHANCE)
      countdown.counted += countdown.drawn - countdown.gap
      // The geometric distribution has no memory: what is left of a gap may be drawn anew, at the new chance.
      this.#draw(countdown)
    }
  }

  /** Measured calls for each region in the next window: what the rare ones leave of an equal share goes to the others. */
  #fairShare(): number {
    let affordable = this.#allowance / this.#costMs
    const ascending = this.#countdowns.map(({ expected }) => expected).sort((a, b) => a - b)
    for (const [i, expected] of ascending.entries()) {
      const share = affordable / (ascending.length - i)
      if (expected > share) return share
      affordable -= expected
    }
    return Number.POSITIVE_INFINITY
  }

  #draw(countdown: Countdown): void {
    const { chance } = countdown
    countdown.drawn = chance < 1 ? Math.floor(Math.log(1 - this.#random()) / Math.log1p(-chance)) : 0
    countdown.gap = countdown.drawn
  }
}

/** Uniform on [0, 1), by Mulberry32: not Math.random, which a program under test may have replaced. */
export function uniform(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
