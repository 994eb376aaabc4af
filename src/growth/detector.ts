/**
 * Readings in, verdict out: which owners grow, and whether that is a leak. Pure and synchronous; fixed memory.
 *
 * The verdict is made anew from the series each time it is asked for, so it is revised as evidence grows: a
 * warm-up that looked like a leak becomes a warm-up, a leak that stopped is no longer one.
 */

import type { Owner } from '../owners.js'
import type { AllocatorReading, MemoryLimit, Reading } from '../readings/reading.js'
import { causesAmong, timeTo, withoutByProducts } from './causes.js'
import { evidence } from './evidence.js'
import { type OwnerTrend, ownerTrend, residentTrend, TESTED_OWNERS } from './owner-trend.js'
import { type Circumstances, remedy } from './remedies.js'
import { LeastFree, withRetention } from './retention.js'
import { Series } from './series.js'
import { accused, type GrowingSite, isCache, isGrowing, leading, regionsOf, Sites } from './sites.js'
import type { Verdict } from './verdict.js'
import { withSites } from './with-sites.js'
import { piledUpThreads, withWorkers } from './workers.js'

export class Detector {
  readonly #resident = new Map<Owner, Series>()
  /** Used JS heap right after major GCs. */
  #floors: Series | undefined
  /** JS heap beyond all that the isolate of the readings has for its own. */
  readonly #elsewhere = new Series()
  readonly #leastFree = new LeastFree()
  /** All that the allocator holds. */
  readonly #held = new Series()
  /** Owners that some readings did not look at. */
  readonly #sparse = new Set<Owner>()
  readonly #sites = new Sites()
  #majorGcs = 0
  #readings = 0
  /** Time since the first reading; a wall clock that was set back does not turn it back. */
  #elapsedMs = 0
  #lastT = Number.NaN
  /** The last step forward, and the lesser of the last two: an ordinary one, even after the machine has slept. */
  #stepMs = Number.POSITIVE_INFINITY
  #ordinaryStepMs = 0
  #rss = { from: 0, to: 0 }
  #limit: MemoryLimit | undefined
  #allocator: AllocatorReading | undefined
  #heapLimit: number | undefined
  /** Resident, of all isolates. */
  #heapBytes = 0

  /** Takes one reading, in the order they were made. A number that is not finite is left out, the rest is kept. */
  add(reading: Reading): void {
    this.#advance(reading.t)
    this.#readings++
    // What was not looked at has no new value: fed again, the old one would flatten a leak into a staircase.
    for (const owner of reading.carried ?? []) this.#sparse.add(owner)
    for (const owner of TESTED_OWNERS) {
      const bytes = reading.carried?.includes(owner) ? undefined : reading.owners[owner]
      if (bytes === undefined || !Number.isFinite(bytes)) continue
      const series = this.#resident.get(owner) ?? new Series()
      if (series.count === 0) this.#resident.set(owner, series)
      series.add(this.#elapsedMs, bytes)
      if (owner === 'malloc-free') this.#leastFree.add(this.#elapsedMs, bytes)
    }
    const { 'js-heap': heaps, malloc, 'malloc-free': free, 'array-buffers': buffers } = reading.owners
    const held = (malloc ?? 0) + (free ?? Number.NaN) + (buffers ?? 0)
    if (!reading.carried?.includes('malloc-free') && Number.isFinite(held)) this.#held.add(this.#elapsedMs, held)
    if (heaps !== undefined && Number.isFinite(heaps)) {
      this.#heapBytes = heaps
      const own = reading.heap?.total ?? Number.NaN
      if (Number.isFinite(own)) this.#elsewhere.add(this.#elapsedMs, Math.max(0, heaps - own))
    }
    if (reading.majorGc && Number.isFinite(reading.majorGc.usedAfter)) {
      this.#majorGcs += reading.majorGc.count
      this.#floors ??= new Series()
      this.#floors.add(this.#elapsedMs, reading.majorGc.usedAfter)
    }
    this.#sites.add(this.#elapsedMs, reading)
    if (Number.isFinite(reading.rss)) {
      if (this.#rss.from === 0) this.#rss.from = reading.rss
      this.#rss.to = reading.rss
    }
    this.#limit = reading.limit ?? this.#limit
    this.#allocator = reading.allocator ?? this.#allocator
    this.#heapLimit = reading.heap?.limit ?? this.#heapLimit
  }

  /** After a clock that went back (or a time that is no number) an ordinary step is assumed: the reading itself is good. */
  #advance(t: number): void {
    const step = t - this.#lastT
    if (step >= 0 && step < Number.POSITIVE_INFINITY) {
      this.#elapsedMs += step
      this.#ordinaryStepMs = Math.min(step, this.#stepMs)
      this.#stepMs = step
    } else if (this.#readings > 0) this.#elapsedMs += this.#ordinaryStepMs
    this.#lastT = Number.isFinite(t) ? t : this.#lastT + this.#ordinaryStepMs
  }

  /** One trend for each owner seen so far that can be a cause, in the order of OWNERS. */
  trends(): OwnerTrend[] {
    return this.#trends(this.#sites.growing())
  }

  #trends(growing: GrowingSite[]): OwnerTrend[] {
    const trends = TESTED_OWNERS.flatMap((owner) => {
      const series = this.#resident.get(owner)
      return series ? [ownerTrend(owner, series, this.#floors, this.#elapsedMs, this.#sparse.has(owner))] : []
    })
    const sited = withWorkers(trends, this.#elsewhere, this.#elapsedMs).map((trend) => withSites(trend, growing))
    const held = residentTrend('malloc-free', this.#held, this.#elapsedMs, this.#sparse.has('malloc-free'))
    return withoutByProducts(withRetention(sited, held, this.#leastFree.over(this.#elapsedMs), this.#rss.to))
  }

  verdict(): Verdict {
    const known = this.#sites.known()
    const trends = this.#trends(known.filter(isGrowing))
    const leaders = new Set(trends.map((trend) => leading(known, trend)))
    const sites = known.filter((site) => isGrowing(site) || leaders.has(site))
    const causes = causesAmong(trends)
    const around = this.#around(trends, sites)
    return {
      version: 1,
      kind: causes[0]?.kind ?? (trends.length > 0 && trends.every(isSteady) ? 'steady' : 'unknown'),
      causes: causes.map(({ owner, kind, growth, held, to }) => {
        const heldBytes = kind === 'retention' ? { heldBytes: held?.bytes ?? to } : {}
        const cause = { owner, kind, growth, ...heldBytes, sites: kind === 'warm-up' ? [] : accused(sites, owner) }
        return { ...cause, remedy: remedy(cause, around) }
      }),
      limit: this.#limit
        ? { bytes: this.#limit.bytes, source: this.#limit.source, reachedInMs: timeTo(this.#limit, causes) }
        : null,
      evidence: evidence(
        {
          readings: this.#readings,
          elapsedMs: this.#elapsedMs,
          majorGcs: this.#majorGcs,
          rss: this.#rss,
          allocator: this.#allocator,
        },
        causes,
        sites,
        trends,
      ),
    }
  }

  #around(trends: OwnerTrend[], sites: GrowingSite[]): Circumstances {
    const caches = sites.filter(isCache)
    return {
      allocator: this.#allocator,
      limit: this.#limit,
      heapLimit: this.#heapLimit,
      heapBytes: this.#heapBytes,
      threads: piledUpThreads(trends),
      caches: (owner) => regionsOf(caches.filter(({ def }) => def.owner === owner)),
    }
  }
}

function isSteady({ kind }: OwnerTrend): boolean {
  return kind === 'steady'
}
