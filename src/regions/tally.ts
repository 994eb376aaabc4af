/** Sums over all calls, estimated from the measured ones, each with the variance of its estimate. Pure. */

/** What a region costs. Bytes and counts of the whole process except `cpuMs`, faults (this thread) and `heap`, `external` (this isolate). */
export interface RegionCost {
  wallMs: number
  cpuMs: number
  rss: number
  anon: number
  minorFaults: number
  majorFaults: number
  heap: number
  external: number
}

export const COST_NAMES = ['wallMs', 'cpuMs', 'rss', 'anon', 'minorFaults', 'majorFaults', 'heap', 'external'] as const

/** The costs up to here come from the reading that every measured call takes; `heap` and `external` only from some. */
export const HEAP = 6
const LENGTH = COST_NAMES.length

export class Tally {
  #sums = new Float64Array(LENGTH)
  #variances = new Float64Array(LENGTH)

  /** Adds costs [from, to) of one call that was measured with probability `chance`; `sign` -1 takes them off. */
  add(costs: Float64Array, from: number, to: number, chance: number, sign: 1 | -1): void {
    const sums = this.#sums
    const variances = this.#variances
    const weight = 1 / chance
    const spread = weight * weight * (1 - chance)
    for (let i = from; i < to; i++) {
      const cost = costs[i]!
      sums[i]! += sign * weight * cost
      // The unbiased estimate of the estimate's variance: 0 for a call that was certain to be measured.
      variances[i]! += spread * cost * cost
    }
  }

  sum(i: number): number {
    return this.#sums[i]!
  }

  sums(): RegionCost {
    return named((i) => this.#sums[i]!)
  }

  standardErrors(): RegionCost {
    return named((i) => Math.sqrt(this.#variances[i]!))
  }
}

function named(value: (i: number) => number): RegionCost {
  return Object.fromEntries(COST_NAMES.map((name, i) => [name, value(i)])) as unknown as RegionCost
}
