/**
 * Decides what is happening at one allocation site, from estimates of what it allocated and still keeps.
 * It is tested as owners are, with two differences: the error of sampling is part of the noise, and all sites that are
 * watched at a time share the error that one profile may spend. Young memory has been set aside before it comes here
 * (`old` in profile/columns.ts), so a burst that is freed again is never seen to grow.
 */

import { MOST_SITES, type SiteLine } from '../readings/reading.js'
import { answerFrom } from './answer.js'
import { samplingVariance, type WindowKind } from './kind.js'
import { leakOrigin } from './owner-trend.js'
import { type Points, Series } from './series.js'
import { leastSquares } from './trend.js'

export interface SiteTrend {
  kind: WindowKind
  /** Least squares over the window that shows it best; NaN before there were three estimates. */
  bytesPerHour: number
  /** One standard error, of sampling and of irregularity. */
  bytesPerHourError: number
  /** Bytes at the beginning and at the end of the window. */
  from: number
  to: number
  windowMs: number
  /** The latest estimate, and one standard error of it. */
  liveBytes: number
  standardError: number
  /** Only for `leak`: as in OwnerTrend. */
  mayBeWarmUp?: boolean
}

/** The chance that any site of a process is ever called a leak and is none; measured in test/growth/site-trend.test.ts. */
const ERROR = 0.05
const HOUR = 3600e3
const POINTS_NEEDED = 3

type Estimate = Pick<SiteLine, 'live' | 'variance' | 'samples'>

/**
 * Variance of an estimate, of what it estimates included: where objects come and go independently, their number is Poisson's,
 * and so is that of the samples. Fifty buffers of a megabyte are seven more or less at any time, however well they are counted.
 */
function fluctuation({ live, variance, samples }: Estimate): number {
  return live > 0 ? Math.max(variance, live ** 2 / samples) : 0
}

export class SiteSeries {
  readonly #live = new Series()
  readonly #variances = new Series()
  #born = 0
  #now = 0
  #latest: Estimate = { live: 0, variance: 0, samples: 0 }
  #trend: SiteTrend | undefined

  /** @param elapsedMs since the first reading; must not decrease */
  add(elapsedMs: number, line: Estimate): void {
    if (this.#live.count === 0) this.#born = elapsedMs
    this.#live.add(elapsedMs, line.live)
    this.#variances.add(elapsedMs, fluctuation(line))
    this.#latest = line
    this.#now = elapsedMs
    this.#trend = undefined
  }

  /** ms of its first and its latest estimate. */
  get bornAt(): number {
    return this.#born
  }

  get lastAt(): number {
    return this.#now
  }

  get last(): { live: number; standardError: number } {
    return { live: this.#latest.live, standardError: Math.sqrt(fluctuation(this.#latest)) }
  }

  /** Bytes at a time, between two estimates in proportion; none before the first. */
  at(elapsedMs: number): number {
    return valueAt(this.#live.since(0), elapsedMs)
  }

  /** When it first had so many bytes. */
  firstAt(bytes: number): number {
    const { t, v } = this.#live.since(0)
    return t[v.findIndex((value) => value >= bytes)] ?? this.#now
  }

  /** This site with a share of another one's bytes. */
  joinedBy(other: SiteSeries, share: number): SiteSeries {
    const joined = new SiteSeries()
    const [mine, theirs] = [this.#live.since(0), other.#live.since(0)]
    const [myVariances, theirVariances] = [this.#variances.since(0), other.#variances.since(0)]
    joined.#born = this.#born
    joined.#now = Math.max(this.#now, other.#now)
    for (const t of Float64Array.from(new Set([...mine.t, ...theirs.t])).sort()) {
      if (t < this.#born) continue
      joined.#live.add(t, valueAt(mine, t) + share * valueAt(theirs, t))
      joined.#variances.add(t, valueAt(myVariances, t) + share ** 2 * valueAt(theirVariances, t))
    }
    joined.#latest = {
      live: this.#latest.live + share * other.#latest.live,
      variance: this.#latest.variance + share ** 2 * other.#latest.variance,
      samples: this.#latest.samples + share * other.#latest.samples,
    }
    return joined
  }

  /** As of the latest estimate; computed once for each, as verdicts are asked for more often than snapshots are taken. */
  trend(): SiteTrend {
    this.#trend ??= this.#judge(this.#now)
    return this.#trend
  }

  #judge(now: number): SiteTrend {
    const start = Math.max(leakOrigin(now), this.#born)
    const [series, variances] = [this.#live, this.#variances]
    const { kind, points, mayBeWarmUp } = answerFrom({
      series,
      variances,
      origin: start,
      beginning: start,
      now,
      error: ERROR / MOST_SITES,
    })
    const { t, v } = points
    const windowMs = t.length > 0 ? t.at(-1)! - t[0]! : 0
    const line = leastSquares(t, v)
    const known = t.length >= POINTS_NEEDED && windowMs > 0
    const { v: errors } = variances.since(t[0] ?? start)
    const variance = line.variance + samplingVariance(errors[0] ?? 0, errors.at(-1) ?? 0, windowMs)
    return {
      kind,
      bytesPerHour: known ? line.slope * HOUR : Number.NaN,
      bytesPerHourError: known ? Math.sqrt(variance) * HOUR : Number.NaN,
      from: v[0] ?? 0,
      to: v.at(-1) ?? 0,
      windowMs,
      liveBytes: this.#latest.live,
      standardError: Math.sqrt(this.#latest.variance),
      ...(mayBeWarmUp !== undefined && { mayBeWarmUp }),
    }
  }
}

function valueAt({ t, v }: Points, time: number): number {
  const after = t.findIndex((at) => at >= time)
  if (after < 0) return v.at(-1) ?? 0
  if (t[after] === time) return v[after]!
  if (after === 0) return 0
  const share = (time - t[after - 1]!) / (t[after]! - t[after - 1]!)
  return v[after - 1]! + share * (v[after]! - v[after - 1]!)
}
