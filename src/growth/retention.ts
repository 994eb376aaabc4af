/**
 * Decides whether the allocator keeps what the program has freed: retention.
 *
 * Three things show it: free memory that piles up while what is in use does not; all that the allocator holds growing, while
 * what is in use only comes and goes; and free memory that was free all the time, for what was never needed again could have
 * been given back. A batch that comes back uses it, so what counts is the least that stayed free. Retention is never the
 * answer while more than is held has grown and is not understood.
 */

import type { Owner } from '../owners.js'
import { formatBytes } from '../units.js'
import { type Held, type OwnerTrend, SHORTEST_RUN_MS } from './owner-trend.js'
import { Series } from './series.js'

const HOUR = 3600e3

/** What the allocator keeps below this, and below this share of RSS, is its working stock. */
const WORTH_SAYING_BYTES = 32 * 2 ** 20
const WORTH_SAYING_SHARE = 0.25

/** Of that, and in all: what does not make retention even where it grows. */
const LITTLE = 0.5
const LITTLE_BYTES = 64 * 2 ** 20

/** Free memory, bytes, that is worth a word in a process of `rss` bytes. */
export function worthSaying(rss: number): number {
  return Math.max(WORTH_SAYING_BYTES, WORTH_SAYING_SHARE * rss)
}

/** Two looks may both fall between two batches. */
const LOOKS_NEEDED = 3

/** How much was free all the time, lately: the lowest of a series. Fixed memory. */
export class LeastFree {
  /** A series keeps the highs behind its points: of negated values, those are the lows. */
  readonly #negated = new Series()
  #latest = Number.NaN

  add(elapsedMs: number, bytes: number): void {
    this.#negated.add(elapsedMs, -bytes)
    this.#latest = bytes
  }

  /** In the later half of the time seen, and before it as far back as the third last look; null where nothing was seen lately. */
  over(now: number): Held | null {
    if (now < SHORTEST_RUN_MS) return null
    const half = this.#negated.since(now / 2)
    if (half.t.length === 0) return null
    const { t, max } = half.t.length < LOOKS_NEEDED ? this.#negated.since(0) : half
    if (t.length < LOOKS_NEEDED) return null
    const first = half.t.length < LOOKS_NEEDED ? t.length - LOOKS_NEEDED : 0
    const ms = now - t[first]!
    // After a gap, the later half may be no more than a moment between two batches.
    if (ms < SHORTEST_RUN_MS / 2) return null
    const highest = Math.max(...max.subarray(first), this.#highestSince(t.at(-1)!))
    return { bytes: Math.min(this.#latest, -highest), ms }
  }

  /** Points of a long time are far between, and tell of what came before the last of them only. */
  #highestSince(from: number): number {
    const { t, max } = this.#negated.since(from)
    const last = t.at(-1) ?? from
    return last > from ? Math.max(...max, this.#highestSince(last)) : Number.NEGATIVE_INFINITY
  }
}

/** Of what the allocator's memory grows by, below which one part of it is a by-product of the other; and above which it is all of it. */
const BY_PRODUCT = 0.2
const NEARLY_ALL = 0.7

/** The owners that live in the allocator's memory and are in use. */
const IN_USE: readonly Owner[] = ['malloc', 'array-buffers']

/**
 * @param all what free memory and that in use add up to
 * @param held what was free all the time
 */
export function withRetention(trends: OwnerTrend[], all: OwnerTrend, held: Held | null, rss: number): OwnerTrend[] {
  return trends.map((trend) => (trend.owner === 'malloc-free' ? judged(trend, trends, all, held, rss) : trend))
}

function judged(free: OwnerTrend, trends: OwnerTrend[], all: OwnerTrend, held: Held | null, rss: number): OwnerTrend {
  const isHeld = held !== null && held.bytes >= worthSaying(rss)
  const open = free.kind !== 'leak' && !isHeld && undecided(free, all, trends, rss)
  if (open) return open
  const piling = free.kind === 'leak' ? pilingUp(free, trends) : (highWater(all, trends) ?? stock(free, all, held, rss))
  // Whatever little free memory does, it is the allocator's working stock.
  if (piling.to < Math.min(LITTLE * worthSaying(rss), LITTLE_BYTES)) return { ...settled(piling), kind: 'steady' }
  if (piling.kind === 'retention' || !isHeld) return piling
  const bigger = trends.find(
    ({ owner, kind, from, to }) => owner !== free.owner && kind === 'unknown' && to - from > held.bytes,
  )
  if (!bigger) return { ...settled(free), kind: 'retention', held }
  return {
    ...settled(free),
    kind: 'unknown',
    missing: `${formatBytes(held.bytes)} stayed free, but ${bigger.owner} has grown by more, and why is not known yet`,
  }
}

/** What is freed already is no leak: where free memory goes on growing, it is the allocator that keeps it. */
function pilingUp(free: OwnerTrend, trends: OwnerTrend[]): OwnerTrend {
  const growing = trends.filter(({ owner, growth }) => IN_USE.includes(owner) && growth !== null && growth.low > 0)
  const rate = ({ growth }: OwnerTrend) => growth?.bytesPerHour ?? 0
  const share = rate(free) / (rate(free) + growing.reduce((sum, trend) => sum + rate(trend), 0))
  const missing =
    share < BY_PRODUCT
      ? 'grows with what is in use, and by less than a quarter as much'
      : share < NEARLY_ALL && !growing.some(({ kind }) => kind === 'leak')
        ? 'grows, but so does what is in use, and whether that goes on is not known yet'
        : undefined
  if (missing !== undefined) return { ...settled(free), kind: 'unknown', missing }
  return { ...settled(free), kind: 'retention' }
}

/** Bursts that grow: each finds too little free, and leaves more. What is in use between them does not grow. */
function highWater(all: OwnerTrend, trends: OwnerTrend[]): OwnerTrend | undefined {
  const inUse = trends.filter(({ owner }) => IN_USE.includes(owner))
  const rate = inUse.reduce((sum, { growth }) => sum + (growth?.bytesPerHour ?? 0), 0)
  if (all.kind !== 'leak' || inUse.some(({ kind }) => kind === 'leak')) return undefined
  if (rate > (1 - NEARLY_ALL) * all.growth!.bytesPerHour) return undefined
  // What is in use between bursts is not kept.
  const between = inUse.reduce((sum, { from, to }) => sum + Math.min(from, to), 0)
  return {
    ...settled(all),
    kind: 'retention',
    from: all.from - between,
    to: all.to - between,
    series: 'between bursts',
  }
}

/**
 * Bursts that may be growing: all that the allocator holds has risen, by more than what is in use, and neither settled nor goes
 * up in a line. Free memory that goes up and down by as much looks level beside that, and is not.
 */
function undecided(free: OwnerTrend, all: OwnerTrend, trends: OwnerTrend[], rss: number): OwnerTrend | undefined {
  const inUse = trends.filter(({ owner, growth }) => IN_USE.includes(owner) && growth !== null && growth.low > 0)
  const grown = inUse.reduce((sum, { growth, windowMs }) => sum + growth!.bytesPerHour * (windowMs / HOUR), 0)
  const risen = all.to - all.from - grown
  if (all.kind !== 'unknown' || risen < worthSaying(rss)) return undefined
  const missing = `the allocator holds ${formatBytes(risen)} more than at first, and what is in use does not: whether it goes on needs a longer run`
  return { ...settled(free), kind: 'unknown', missing }
}

/** What is freed and used again is nobody's growth: not much more of it, or as much as comes and goes in all that the allocator holds. */
function stock(free: OwnerTrend, all: OwnerTrend, held: Held | null, rss: number): OwnerTrend {
  if (free.kind !== 'unknown') return free
  const exchanged = all.kind === 'steady' || all.kind === 'warm-up'
  // From a few looks nobody knows what it rose from.
  const risen = held === null ? free.to : free.to - free.from
  return exchanged || risen < worthSaying(rss) ? { ...settled(free), kind: 'steady' } : free
}

/** Whether growth of free memory will go on or was a warm-up changes nothing about it. */
function settled({ mayBeWarmUp: _, missing: __, ...trend }: OwnerTrend): OwnerTrend {
  return trend
}
