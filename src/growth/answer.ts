/** Decides what one series shows, from all windows of it: of an owner's bytes, or of a site's. */

import { judge, type Sampling, type WindowKind } from './kind.js'
import type { Points, Series } from './series.js'
import { windows } from './windows.js'

export interface Question {
  series: Series
  /** Growth before this time, ms, is not tested for a leak. */
  origin: number
  /** Nor before this one for a warm-up. */
  beginning: number
  now: number
  /** Chance of a false alarm that all windows may spend together, however often they are looked at. */
  error: number
  /** Of an estimate from samples: its variance over time, as a series that was added to together with `series`. */
  variances?: Series
}

export interface Answer {
  kind: WindowKind
  points: Points
  mayBeWarmUp?: boolean
}

/**
 * A leak in any window is a leak: it may have begun lately. Only, where the next longer window shows growth that slows down,
 * it is the tail of a warm-up, which is straight when little enough of it is looked at.
 * Otherwise the longest window that tells anything decides, and windows shorter than a quarter of the whole are not
 * asked: a staircase is flat on every tread.
 */
export function answerFrom({ series, origin, beginning, now, error, variances }: Question): Answer {
  const sampling = (start: number) => variances && samplingOf(variances.since(start))
  const tested = windows(origin, now).map(({ start, share }) => {
    const points = series.since(start)
    const judgement = judge(points, error * share, maxBefore(series, origin, start), sampling(start))
    return { points, start, ...judgement }
  })
  const leaks = tested.filter(({ kind }, i) => kind === 'leak' && !tested[i - 1]?.slowing)
  if (leaks.length > 0) {
    // The rate is that of the straightest window: one that also holds the quiet time before the leak understates it.
    const { kind, points } = leaks.reduce((a, b) => (b.clarity > a.clarity ? b : a))
    return { kind, points, mayBeWarmUp: !leaks.some(({ start }) => now - start < now / 3) }
  }

  // No error is left for the whole: the leak test has its own windows.
  const points = series.since(beginning)
  const whole = { points, kind: judge(points, 0, undefined, sampling(beginning)).kind }
  const recent = tested.filter(({ start }) => now - start >= (now - origin) / 4)
  return [whole, ...recent].find(({ kind }) => kind === 'warm-up' || kind === 'steady') ?? { kind: 'unknown', points }
}

/** The sampling error at the two ends of a window. */
export function samplingOf({ v }: Points): Sampling {
  return { first: v[0] ?? 0, last: v.at(-1) ?? 0 }
}

function maxBefore(series: Series, origin: number, start: number): number {
  if (start <= origin) return Number.NEGATIVE_INFINITY
  const { t, max } = series.since(origin)
  return max.reduce(
    (highest, value, i) => (t[i]! < start ? Math.max(highest, value) : highest),
    Number.NEGATIVE_INFINITY,
  )
}
