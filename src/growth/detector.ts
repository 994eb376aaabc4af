/**
 * Readings in, verdict out: which owners grow, and whether that is a leak. Pure and synchronous; fixed memory.
 *
 * The verdict is made anew from the series each time it is asked for, so it is revised as evidence grows: a
 * warm-up that looked like a leak becomes a warm-up, a leak that stopped is no longer one.
 */

import type { Owner } from '../owners.js'
import type { MemoryLimit, Reading } from '../readings/reading.js'
import { formatBytes, formatDuration, formatRate } from '../units.js'
import { TRIVIAL_BYTES } from './kind.js'
import { type OwnerTrend, ownerTrend, TESTED_OWNERS } from './owner-trend.js'
import { remedy } from './remedies.js'
import { LeastFree, withRetention } from './retention.js'
import { Series } from './series.js'
import { accused, type GrowingSite, isCache, Sites, siteSentence, together } from './sites.js'
import type { Cause, GrowthRate, Verdict } from './verdict.js'

const HOUR = 3600e3

export class Detector {
  readonly #resident = new Map<Owner, Series>()
  /** Used JS heap right after major GCs. */
  #floors: Series | undefined
  readonly #leastFree = new LeastFree()
  /** Owners that some readings did not look at. */
  readonly #sparse = new Set<Owner>()
  readonly #sites = new Sites()
  #majorGcs = 0
  #readings = 0
  /** Time since the first reading; a wall clock that was set back does not turn it back. */
  #elapsedMs = 0
  #lastT = Number.NaN
  #stepMs = 0
  #rss = { from: 0, to: 0 }
  #limit: MemoryLimit | undefined

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
    if (reading.limit) this.#limit = reading.limit
  }

  /** After a clock that went back (or a time that is no number) the step before is assumed again: the reading itself is good. */
  #advance(t: number): void {
    const step = t - this.#lastT
    if (step >= 0 && step < Number.POSITIVE_INFINITY) this.#stepMs = step
    if (this.#readings > 0) this.#elapsedMs += this.#stepMs
    this.#lastT = Number.isFinite(t) ? t : this.#lastT + this.#stepMs
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
    const sited = trends.map((trend) => withSites(trend, growing))
    return withoutByProducts(withRetention(sited, this.#leastFree.over(this.#elapsedMs), this.#rss.to))
  }

  verdict(): Verdict {
    const sites = this.#sites.growing()
    const trends = this.#trends(sites)
    const grown = trends.filter(isCause).sort((a, b) => severity(b) - severity(a) || weight(b) - weight(a))
    return {
      version: 1,
      kind:
        grown[0]?.kind ?? (trends.length > 0 && trends.every(({ kind }) => kind === 'steady') ? 'steady' : 'unknown'),
      causes: grown.map(({ owner, kind, growth, held, to }) => {
        const blamed = kind === 'warm-up' ? [] : accused(sites, owner)
        return {
          owner,
          kind,
          growth,
          ...(kind === 'retention' && { heldBytes: held?.bytes ?? to }),
          sites: blamed,
          remedy: remedy(owner, kind, blamed[0]),
        }
      }),
      limit: this.#limit
        ? { bytes: this.#limit.bytes, source: this.#limit.source, reachedInMs: timeTo(this.#limit, grown) }
        : null,
      evidence: [
        ...this.#seen(),
        ...grown.map((trend) => this.#growthOf(trend)),
        ...namedSites(sites, trends),
        ...flat(trends),
        ...missing(trends),
      ],
    }
  }

  #seen(): string[] {
    if (this.#readings === 0) return ['no readings']
    const gcs = this.#majorGcs > 0 ? `, ${this.#majorGcs} major GCs` : ''
    return [
      `${this.#readings} readings over ${formatDuration(this.#elapsedMs)}${gcs}`,
      `RSS ${formatBytes(this.#rss.from)} → ${formatBytes(this.#rss.to)} (${formatBytes(this.#rss.to - this.#rss.from, { signed: true })})`,
    ]
  }

  #growthOf({ owner, kind, growth, from, to, windowMs, series, mayBeWarmUp, held }: OwnerTrend & CauseTrend): string {
    if (held) {
      const [least, rss] = [held.bytes, this.#rss.to].map((bytes) => formatBytes(bytes))
      return `${owner}: at least ${least} stayed free for the last ${formatDuration(held.ms)}, of ${rss} that are resident`
    }
    const like = growth.bytesPerHour
    const [rate, low, high] = [like, growth.low, growth.high].map((value) => formatRate(value, { like }))
    const grew = `${nameOf(owner, series)} ${formatBytes(from)} → ${formatBytes(to)} in ${formatDuration(windowMs)}`
    if (kind === 'warm-up') return `${grew}, then settled`
    const caveat = mayBeWarmUp
      ? `: a leak, unless the program is still warming up (seen ${formatDuration(this.#elapsedMs)})`
      : ''
    return `${grew}, ${rate} (95 %: ${low} to ${high})${caveat}`
  }
}

interface CauseTrend {
  kind: Cause['kind']
  growth: GrowthRate
}

function isCause(trend: OwnerTrend): trend is OwnerTrend & CauseTrend {
  return trend.growth !== null && ['leak', 'retention', 'warm-up'].includes(trend.kind)
}

/** What goes on growing comes before what has stopped, or never grew while we looked; the first cause gives the verdict its kind. */
const SEVERITY = { leak: 3, retention: 2, 'warm-up': 1 } as const

function severity({ kind, held }: OwnerTrend & CauseTrend): number {
  return held ? SEVERITY['warm-up'] : SEVERITY[kind]
}

/** Orders causes of one severity: what grows by its pace, what does not by its size. */
function weight(trend: OwnerTrend & CauseTrend): number {
  if (severity(trend) > SEVERITY['warm-up']) return pace(trend)
  return trend.held?.bytes ?? trend.to - trend.from
}

/** Bytes per ms over the window; for a warm-up the Theil–Sen slope is no measure, as it is that of the settled part. */
function pace({ from, to, windowMs }: OwnerTrend): number {
  return windowMs > 0 ? (to - from) / windowMs : 0
}

/**
 * What an owner's sites say where its own series does not know: sites that leak make it a leak. And where nothing but
 * declared caches grows, and by enough to account for all of it, nobody is accused before those are full.
 */
function withSites(trend: OwnerTrend, growing: GrowingSite[]): OwnerTrend {
  const sites = growing.filter(({ def }) => def.owner === trend.owner)
  const caches = sites.filter(isCache)
  const others = sites.filter((site) => !isCache(site))
  const leaks = others.filter((site) => site.trend.kind === 'leak')
  if (trend.kind === 'unknown' && leaks.length > 0) return leakOf(trend.owner, leaks)
  if (trend.kind !== 'leak' || caches.length === 0 || others.length > 0) return trend
  const { bytesPerHour, bytesPerHourError } = together(caches)
  if (bytesPerHour + 2 * bytesPerHourError < trend.growth!.low) return trend
  const names = [...new Set(caches.map(({ def }) => `'${def.region}'`))].join(', ')
  return {
    ...trend,
    kind: 'unknown',
    missing: `grows with region ${names}, declared a cache: needs a run until that is full`,
  }
}

function leakOf(owner: Owner, leaks: GrowingSite[]): OwnerTrend {
  const { bytesPerHour, bytesPerHourError } = together(leaks)
  const sum = (of: (site: GrowingSite) => number) => leaks.reduce((total, site) => total + of(site), 0)
  return {
    owner,
    kind: 'leak',
    growth: {
      bytesPerHour,
      low: bytesPerHour - 1.96 * bytesPerHourError,
      high: bytesPerHour + 1.96 * bytesPerHourError,
    },
    from: sum(({ trend }) => trend.from),
    to: sum(({ trend }) => trend.to),
    windowMs: Math.max(...leaks.map(({ trend }) => trend.windowMs)),
    series: 'live at its sites',
    mayBeWarmUp: leaks.every(({ trend }) => trend.mayBeWarmUp),
  }
}

const MOST_SITE_SENTENCES = 3

/** The sites that grow most where their owner does, and the caches among them whatever their owner does. */
function namedSites(growing: GrowingSite[], trends: OwnerTrend[]): string[] {
  const grown = new Set(trends.filter(({ kind }) => kind === 'leak').map(({ owner }) => owner))
  const blamed = growing.filter((site) => !isCache(site) && grown.has(site.def.owner)).slice(0, MOST_SITE_SENTENCES)
  const caches = growing.filter(isCache).slice(0, MOST_SITE_SENTENCES)
  return [...blamed, ...caches].map(siteSentence)
}

const BY_PRODUCT = 0.05

/**
 * Bookkeeping grows with what it keeps: V8's marking structures, in malloc, grow by 1 % of the JS heap. Naming them as
 * a cause would send people after the wrong owner, so growth below 5 % of the largest waits until that one is settled.
 */
function withoutByProducts(trends: OwnerTrend[]): OwnerTrend[] {
  const moving = trends.filter(({ kind, held }) => kind !== 'steady' && !held)
  const leader = moving.reduce<OwnerTrend | undefined>((a, b) => (a && pace(a) >= pace(b) ? a : b), undefined)
  return trends.map((trend) =>
    leader && isCause(trend) && !trend.held && pace(trend) < BY_PRODUCT * pace(leader)
      ? {
          ...trend,
          kind: 'unknown',
          missing: `grows, but by less than 5 % of what ${leader.owner} does, and perhaps with it`,
        }
      : trend,
  )
}

function timeTo(limit: MemoryLimit, grown: (OwnerTrend & CauseTrend)[]): number | null {
  const leaks = grown.filter(({ kind }) => kind === 'leak')
  const perHour = leaks.reduce((sum, { growth }) => sum + growth.bytesPerHour, 0)
  return perHour > 0 ? (Math.max(0, limit.bytes - limit.used) / perHour) * HOUR : null
}

/** The largest owners that stayed level, with the growth that their readings leave possible. */
function flat(trends: OwnerTrend[]): string[] {
  const level = trends.filter(({ kind, to }) => kind === 'steady' && to >= TRIVIAL_BYTES).sort((a, b) => b.to - a.to)
  return level.slice(0, 3).map(({ owner, from, to, windowMs, growth, series }) => {
    const at = `${nameOf(owner, series)} level: ${formatBytes(from)} → ${formatBytes(to)} in ${formatDuration(windowMs)}`
    if (!growth) return at
    const like = Math.max(Math.abs(growth.low), Math.abs(growth.high))
    return `${at} (95 %: ${formatRate(growth.low, { like })} to ${formatRate(growth.high, { like })})`
  })
}

function nameOf(owner: Owner, series: OwnerTrend['series']): string {
  return series === 'resident' ? owner : `${owner} (${series})`
}

function missing(trends: OwnerTrend[]): string[] {
  return trends.flatMap(({ owner, missing }) => (missing ? [`${owner} unknown: ${missing}`] : []))
}
