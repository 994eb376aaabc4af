/**
 * Decides what one window of one owner shows: a leak, a warm-up, steadiness, or nothing certain.
 *
 * The window's two halves tell a line from a curve. A leak goes on in the second half as in the first; a warm-up rises
 * and settles. The alarm is the confidence sequence's lower bound against a dead zone, not against zero: every
 * real service drifts a little, and a test against zero finds that drift sooner or later.
 */

import type { Points } from './series.js'
import { leastSquares, slopeConfidenceSequence, slopeInterval, withVariance } from './trend.js'

export type WindowKind = 'leak' | 'warm-up' | 'steady' | 'unknown'

const MIB = 2 ** 20
const MB = 1e6
const HOUR = 3600e3

/** Growth below this is no cause of anything, however significant: it is less than one burst of requests. */
export const TRIVIAL_BYTES = 3 * MIB

/** In less time anything that fills up looks like a leak, and any pause in it like the end of a warm-up, however many readings there are. */
export const CURVE_MS = 12e3

/** Of the first half's slope: a second half that is less steep than that slows down. */
const SLOWED = 0.7

/** Standard deviation of the prior on a slope: 1 MB/s, in bytes per ms. The bound depends on it only logarithmically. */
const TAU = MB / 1000

/**
 * The slope, in bytes per ms, below which growth is not called a leak: 0.05 MB/s for windows up to 30 s, then what
 * adds up to 1.5 MB over the window, but never less than 1 MB/h or 0.5 % of the owner's size an hour. A 20 s run can
 * thus speak only of fast leaks, and a day-long one still ignores what would take a week to matter.
 */
export function deadZone(spanMs: number, bytes: number): number {
  const short = Math.min((0.05 * MB) / 1000, (1.5 * MB) / spanMs)
  return Math.max(short, MB / HOUR, (0.005 * bytes) / HOUR)
}

export interface Judgement {
  kind: WindowKind
  /** It grew in the first half already. */
  throughout: boolean
  /** It grew in the first half, and clearly less in the second. */
  slowing: boolean
  /** It grew in the first half, and at least a little less in the second: too little to be no leak, enough to doubt it. */
  bending: boolean
  /** Slope over its standard error: how clearly the window is one rising line. */
  clarity: number
}

const NOTHING: Judgement = { kind: 'unknown', throughout: false, slowing: false, bending: false, clarity: 0 }

/** Variances of the estimates at the ends of a window and in its middle, in bytes squared, where values are estimated from samples. */
export interface Sampling {
  first: number
  middle: number
  last: number
}

/**
 * What sampling adds to the variance of a least-squares slope, at most. Estimates of what is live share the samples that
 * stay, so their errors are not the independent noise that residuals would show. Where nothing is freed they are a random
 * walk, and the variance is 1.2 (last - first) / span²; with exponential lifetimes it is at most 1.21 (first + last) / span²,
 * at lifetimes of 0.3 spans (computed in test/growth/site-trend.test.ts).
 */
export function samplingVariance(first: number, last: number, spanMs: number): number {
  return (1.25 * (first + last)) / spanMs ** 2
}

/**
 * @param alpha chance of a false alarm that this window may spend
 * @param earlierMax the highest reading before the window: memory that returns to where it has been is not a leak
 * @param sampling of estimates from samples; then the alarm has to be heard over their error too
 */
export function judge(
  { t, v, max }: Points,
  alpha: number,
  earlierMax = Number.NEGATIVE_INFINITY,
  sampling?: Sampling,
): Judgement {
  const n = t.length
  const spanMs = n > 0 ? t[n - 1]! - t[0]! : 0
  if (n < 5 || spanMs <= 0) return NOTHING
  if (highest(max) - lowest(v) < TRIVIAL_BYTES) return { ...NOTHING, kind: 'steady' }

  // Both halves keep the middle reading: with five major GCs each half has three.
  const middle = n >> 1
  const laterMs = t[n - 1]! - t[middle]!
  const sampled = (from: number, to: number, ms: number) => (ms > 0 ? samplingVariance(from, to, ms) : 0)
  const { first: atFirst, middle: between, last } = sampling ?? { first: 0, middle: 0, last: 0 }
  const whole = withVariance(leastSquares(t, v), sampled(atFirst, last, spanMs))
  const clarity = whole.slope / Math.sqrt(whole.variance)
  const sampledFirst = sampled(atFirst, between, spanMs - laterMs)
  const first = withVariance(leastSquares(t, v, 0, middle + 1), sampledFirst)
  const second = withVariance(leastSquares(t, v, middle), sampled(between, last, laterMs))
  const dead = deadZone(spanMs, v[n - 1]!)
  const edge = Math.max(1, n >> 3)
  const end = mean(v, n - edge, n)
  const rise = end - mean(v, 0, edge)

  const alarm = spanMs >= CURVE_MS && slopeConfidenceSequence(whole, alpha, TAU).low > dead
  // Of a straight line, too, the second half is less steep in one of two noisy windows: what matters is how much, beyond its error,
  // and beyond that of sampling in the first half: its residuals may be the bend itself.
  const atLeast = second.slope + 0.7 * Math.sqrt(second.variance + SLOWED ** 2 * sampledFirst)
  const throughout = first.slope > dead
  const slowing = throughout && atLeast < SLOWED * first.slope
  const bending = throughout && second.slope < 0.9 * first.slope
  const shape = { throughout, slowing, bending, clarity }
  if (alarm && second.slope >= dead && !slowing && rise > mattering(whole.deviation) && end > earlierMax)
    return { kind: 'leak', ...shape }

  // Noise is taken from the second half: over the whole window the bend itself would pass for noise.
  const later = slopeInterval(second)
  const settled =
    second.slope < 0.4 * first.slope &&
    // Nor may it go on growing for all that is known, by what would matter next to what it grew.
    later.high * laterMs < Math.max(TRIVIAL_BYTES, rise / 2) &&
    !(later.low > Math.max(dead, TRIVIAL_BYTES / laterMs))
  if (spanMs >= CURVE_MS && rise > mattering(second.deviation) && settled) return { kind: 'warm-up', ...shape }

  // What clearly rises is not level, however much it goes up and down on its way.
  const { low, high } = slopeInterval(whole)
  const flat = low <= dead && high < Math.max(dead, mattering(whole.deviation) / spanMs)
  const level = (flat && !lowsRise(t, v, dead)) || (!alarm && comesAndGoes({ t, v, max }, middle))
  return { kind: level ? 'steady' : 'unknown', ...shape }
}

/** Parts of a window, each with its low: few enough to hold a whole batch each, and enough for a line. */
const PARTS = 8

/**
 * What is left between batches rises, clearly and beyond its own noise. The batches are noise to the whole window's slope, up to five
 * deviations of which may be growth: a leak of 1 MiB/s under batches of 100 MiB seemed level for minutes.
 */
function lowsRise(t: Float64Array, v: Float64Array, dead: number): boolean {
  const n = t.length
  if (n < 2 * PARTS) return false
  const at = new Float64Array(PARTS)
  const lows = new Float64Array(PARTS)
  for (let part = 0; part < PARTS; part++) {
    const end = Math.floor((n * (part + 1)) / PARTS)
    let low = Math.floor((n * part) / PARTS)
    for (let i = low + 1; i < end; i++) if (v[i]! < v[low]!) low = i
    at[part] = t[low]!
    lows[part] = v[low]!
  }
  const line = leastSquares(at, lows)
  return slopeInterval(line).low > dead && line.slope * (at[PARTS - 1]! - at[0]!) > mattering(line.deviation)
}

/** Crossings of the middle of the range, in each half: it came back, and went again. */
const CROSSINGS = 2

/**
 * Batches whose slope tells little, as it depends on where in a batch the window begins and ends: neither their peaks nor what
 * is left between them is higher in the second half than in the first.
 */
function comesAndGoes({ v, max }: Points, middle: number): boolean {
  const center = (lowest(v) + highest(v)) / 2
  const half = (from: number, to: number) => {
    const values = v.subarray(from, to)
    return { low: lowest(values), high: highest(max.subarray(from, to)), crossings: crossings(values, center) }
  }
  const earlier = half(0, middle + 1)
  const later = half(middle, v.length)
  return (
    Math.min(earlier.crossings, later.crossings) >= CROSSINGS &&
    later.low <= earlier.low + TRIVIAL_BYTES &&
    later.high <= earlier.high + TRIVIAL_BYTES
  )
}

function crossings(values: Float64Array, level: number): number {
  let count = 0
  for (let i = 1; i < values.length; i++) if (values[i - 1]! > level !== values[i]! > level) count++
  return count
}

/** A rise within the noise is none: five deviations of it. */
function mattering(deviation: number): number {
  return Math.max(TRIVIAL_BYTES, 5 * deviation)
}

function mean(values: Float64Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum += values[i]!
  return sum / (to - from)
}

function lowest(values: Float64Array): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < values.length; i++) least = Math.min(least, values[i]!)
  return least
}

function highest(values: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!)
  return most
}
