/** Decides what one series shows, from all windows of it: of an owner's bytes, or of a site's. */

import { type Judgement, judge, type Sampling, type WindowKind } from './kind.js'
import type { Points, Series } from './series.js'
import { type Slope, theilSen } from './trend.js'
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

/** A window as it was judged. */
interface Shown extends Judgement {
  start: number
  version: number
  alpha: number
  /** Remembered only of the longest window, which the others are compared with, and of the one that the answer is about. */
  points: Points | undefined
}

/** Times the shortest window that shows a leak. */
const LONG = 4

/** The windows of the latest answer: one is judged anew only when it has a new point, so that looking is cheap. */
const lately = new WeakMap<Series, Shown[]>()

/**
 * A leak in any window is a leak: it may have begun lately. Only, where the next longer window shows growth that slows down,
 * it is the tail of a warm-up, which is straight when little enough of it is looked at.
 * Otherwise the longest window that tells anything decides, and windows shorter than a quarter of the whole are not
 * asked: a staircase is flat on every tread.
 */
export function answerFrom({ series, origin, beginning, now, error, variances }: Question): Answer {
  const earlier = lately.get(series) ?? []
  const pointsOf = (shown: Shown): Points => {
    shown.points ??= series.since(shown.start)
    return shown.points
  }
  const show = (start: number, alpha: number, longest?: Shown): Shown => {
    const version = series.version(start)
    const same = earlier.find((shown) => shown.start === start && shown.version === version && shown.alpha === alpha)
    if (same) return same
    const points = series.since(start)
    const earlierMax = longest ? maxBefore(pointsOf(longest), start) : Number.NEGATIVE_INFINITY
    const sampling = variances && samplingOf(variances.since(start))
    return { start, version, alpha, points, ...judge(points, alpha, earlierMax, sampling) }
  }
  const tested: Shown[] = []
  for (const { start, share } of windows(origin, now)) tested.push(show(start, error * share, tested[0]))
  // No error is left for the whole: the leak test has its own windows.
  const whole = show(beginning, 0)

  const leaks = tested.filter(({ kind }, i) => kind === 'leak' && !tested[i - 1]?.slowing)
  const recent = tested.filter(({ start }) => now - start >= (now - origin) / 4)
  const told =
    leaks.length > 0
      ? // The rate is that of the straightest window: one that also holds the quiet time before the leak understates it.
        leaks.reduce((a, b) => (b.clarity > a.clarity ? b : a))
      : [whole, ...recent].find(({ kind }) => kind === 'warm-up' || kind === 'steady')

  const about = told ?? whole
  const points = pointsOf(about)
  for (const shown of [...tested, whole]) if (shown !== tested[0] && shown !== about) shown.points = undefined
  lately.set(series, [...tested, whole])
  // Whatever fills up is a straight line for a while: a leak is certain once it has gone on for four times as long as it
  // took to show itself. A window that begins in the quiet before the growth does not count as having seen it for so long.
  const isStraight = (leak: Shown) =>
    !tested.some(({ start, bending }) => bending && start <= leak.start && now - start < LONG * (now - leak.start))
  const goesOn = (leak: Shown) =>
    leaks.some(({ start, throughout }) => throughout && now - start >= LONG * (now - leak.start))
  const mayBeWarmUp = !leaks.some((leak) => isStraight(leak) && goesOn(leak))
  return { kind: told?.kind ?? 'unknown', points, ...(leaks.length > 0 && { mayBeWarmUp }) }
}

const slopes = new WeakMap<Points, Slope>()

/** The Theil–Sen slope of points, computed once for the same points: it costs more than all else in a verdict. */
export function slopeOf(points: Points): Slope {
  const slope = slopes.get(points) ?? theilSen(points.t, points.v)
  slopes.set(points, slope)
  return slope
}

/** The sampling error at the two ends of a window, and in its middle. */
function samplingOf({ v }: Points): Sampling {
  return { first: v[0] ?? 0, middle: v[v.length >> 1] ?? 0, last: v.at(-1) ?? 0 }
}

/** @param points from before `start` on */
function maxBefore({ t, max }: Points, start: number): number {
  let highest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < t.length && t[i]! < start; i++) highest = Math.max(highest, max[i]!)
  return highest
}
