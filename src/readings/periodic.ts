/**
 * Takes readings of one process again and again, each as deep as the budget allows and as much of it anew as has changed.
 */

import { addonProblem } from '../binding.js'
import { OWNERS } from '../owners.js'
import type { MemoryLimit, Reading } from './reading.js'
import { OTHERS_ALLOWANCE, OWN_ALLOWANCE, ReadingBudget } from './reading-budget.js'
import { takeLightReading, takeWholeReading, unmovedReading } from './take-reading.js'
import { usage } from './usage.js'

/** Owners are read anew at least this often, however still the memory lies. */
const READINGS_PER_TABLE = 10
/** A limit changes seldom; what is charged against it by others is as old, or as the owners beside it. */
const LIMIT_MS = 5000

export class PeriodicReadings {
  /** Undefined: this process. */
  readonly #pid: number | undefined
  readonly #budget: ReadingBudget
  /** The latest reading that looked at owners, and the latest that walked malloc's memory. */
  #table: Reading | undefined
  #whole: Reading | undefined
  #sinceTable = 0
  #limitAt = Number.NEGATIVE_INFINITY

  constructor(pid: number | undefined) {
    this.#pid = pid
    this.#budget = new ReadingBudget(pid === undefined ? OWN_ALLOWANCE : OTHERS_ALLOWANCE, performance.now())
  }

  /** @throws {TidemarkError} (rejects) as takeReading does */
  async next(): Promise<Reading> {
    const unmoved = this.#unmoved()
    if (unmoved !== null) return unmoved
    const depth = this.#whole ? this.#budget.depth(performance.now()) : 'whole'
    // The limit stands too: to find it costs as much as a light reading, for which there is nothing left.
    if (depth === 'none' && this.#pid === undefined) return carriedReading(this.#table!)
    const limit = this.#limit()
    const options = { ...(this.#pid !== undefined && { pid: this.#pid }), ...(limit && { limit }) }
    const { reading, cpuMs } =
      depth === 'whole' ? await takeWholeReading(options) : await takeLightReading(this.#whole!, options)
    this.#budget.spent(depth === 'whole' ? 'whole' : 'light', cpuMs, performance.now())
    this.#sinceTable = 0
    this.#table = reading
    if (depth === 'whole') this.#whole = reading
    return { ...reading }
  }

  /** The latest, for a while: the files that say it cost more than a light reading of a small process. Undefined: to be found anew. */
  #limit(): MemoryLimit | undefined {
    if (performance.now() - this.#limitAt <= LIMIT_MS) return this.#table?.limit
    this.#limitAt = performance.now()
    return undefined
  }

  #unmoved(): Reading | null {
    if (this.#pid !== undefined || !this.#table || addonProblem !== null) return null
    if (this.#sinceTable >= READINGS_PER_TABLE) return null
    const unmoved = unmovedReading(this.#table)
    if (unmoved !== null) this.#sinceTable++
    return unmoved
  }
}

/** Of this process, where owners would cost too much now: those of the latest table stand, and what has moved since is unexplained. */
function carriedReading({ rss: before, shmem, swap, owners, limit }: Reading): Reading {
  const { rss, anon, file } = usage()
  return {
    t: Date.now(),
    rss,
    anon,
    file: file - shmem,
    shmem,
    swap,
    owners: { ...owners, unexplained: (owners.unexplained ?? 0) + rss - before },
    carried: [...OWNERS],
    ...(limit && { limit }),
  }
}
