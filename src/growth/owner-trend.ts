/** Decides what is happening to one owner, from all windows of the series that is comparable for it. */

import { OWNERS, type Owner } from '../owners.js'
import { type Answer, answerFrom, slopeOf } from './answer.js'
import { CURVE_MS } from './kind.js'
import type { Series } from './series.js'
import type { GrowthRate, VerdictKind } from './verdict.js'

/** Memory of the allocator's that stayed free. */
export interface Held {
  bytes: number
  /** For how long, up to now. */
  ms: number
}

/** What one owner does, over the window that shows it best. */
export interface OwnerTrend {
  owner: Owner
  kind: VerdictKind
  /** Theil–Sen, with a 95 % interval; null when there are not two different times. */
  growth: GrowthRate | null
  /** Bytes at the beginning and at the end of the window; for the JS heap, used bytes after major GCs where there are enough. */
  from: number
  to: number
  windowMs: number
  /** What `from`, `to` and `growth` are of. */
  series: 'resident' | 'resident, of other isolates' | 'used after major GC' | 'live at its sites' | 'between bursts'
  /**
   * Only for `leak`: no window shorter than a quarter of the time seen shows it by itself, or a longer one bends, so it may yet be a
   * warm-up. One that takes longer than about twice the window is a straight line, and no test can know.
   */
  mayBeWarmUp?: boolean
  /** Only for `retention` that does not go on growing: what stayed free. */
  held?: Held
  /** For `unknown`: what would have to be seen. */
  missing?: string
}

/** Nobody owns the remainder, and our own memory is a cost, not a cause. */
export const TESTED_OWNERS = OWNERS.filter((owner) => owner !== 'unexplained' && owner !== 'profiler')

const READINGS_NEEDED = 8
/** Enough where each is exact and they are far between: major GCs, and walks of the allocator's memory. */
const SPARSE_NEEDED = 5
const HOUR = 3600e3

/** The error that all owners and windows are meant to spend together, however often they are looked at. Measured, not proved: test/simulation. */
export const ERROR = 0.05
/**
 * Half of it is the JS heap's, which has a point for each major GC only. A bound from five points is twice as wide for a tenth of the
 * error; one from fifty hardly notices.
 */
const HEAP_ERROR = ERROR / 2
const OWNER_ERROR = (ERROR - HEAP_ERROR) / (TESTED_OWNERS.length - 1)

/** A shorter run leaves no window that may show a leak, once its first quarter is left out. */
export const SHORTEST_RUN_MS = (CURVE_MS * 4) / 3

/** The start of a program looks like a leak: up to 10 s of it are not tested for one, a quarter when little was seen. */
export function leakOrigin(now: number): number {
  return Math.min(10e3, now / 4)
}

/** Loading and compiling is no warm-up worth a word; a cache that fills during the first seconds is. */
function warmUpOrigin(now: number): number {
  return Math.min(4e3, now / 4)
}

function residentAnswer(series: Series, now: number): Answer {
  const origin = reachingBack(series, leakOrigin(now))
  const beginning = reachingBack(series, warmUpOrigin(now))
  return answerFrom({ series, origin, beginning, now, error: OWNER_ERROR })
}

/**
 * @param now ms since the first reading; the series' times count from there too
 * @param sparse some readings did not look at this owner
 */
export function ownerTrend(
  owner: Owner,
  resident: Series,
  floors: Series | undefined,
  now: number,
  sparse: boolean,
): OwnerTrend {
  const tooFew = lacksReadings(resident, sparse)
  if (owner === 'js-heap' && !tooFew) return heapTrend(resident, floors, now)
  const trend = residentTrend(owner, resident, now, sparse)
  return owner === 'file' && trend.kind === 'leak' ? withoutPagesOfFiles(trend) : trend
}

/** The kernel takes clean pages back when memory is short, and reading through a large file brings more of them in for hours. */
function withoutPagesOfFiles({ mayBeWarmUp: _, ...trend }: OwnerTrend): OwnerTrend {
  const missing =
    'grows, but pages of files are given back when memory is short: a leak only where more and more of them are mapped (`tidemark diff`)'
  return { ...trend, kind: 'unknown', missing }
}

/** What resident bytes alone show. */
export function residentTrend(owner: Owner, resident: Series, now: number, sparse = false): OwnerTrend {
  const tooFew = lacksReadings(resident, sparse)
  if (tooFew) return describe(owner, { kind: 'unknown', points: resident.since(0) }, 'resident', tooFew)
  const missing =
    now < SHORTEST_RUN_MS
      ? `needs a run of at least ${SHORTEST_RUN_MS / 1000} s`
      : 'growth is too small or too irregular so far to tell: needs a longer run'
  return describe(owner, residentAnswer(resident, now), 'resident', missing)
}

/** How many more readings a series needs, in words; '' where it has enough. */
function lacksReadings({ count }: Series, sparse: boolean): string {
  const lacking = (sparse ? SPARSE_NEEDED : READINGS_NEEDED) - count
  if (lacking <= 0) return ''
  return sparse
    ? `needs ${plural(lacking, 'more walk')} of the allocator's memory`
    : `needs ${plural(lacking, 'more reading')}`
}

/**
 * Resident bytes overstate a JS leak 3 to 5 times and creep on without one, as V8 lets the heap grow before it collects.
 * What survives a major GC is live. Before there are enough of those, resident bytes can only acquit: they bound the
 * live ones from above, so if they are flat, or have settled, then so has what is live. And where they grow while V8 has
 * stopped collecting, what survived long ago acquits nobody.
 */
function heapTrend(resident: Series, floors: Series | undefined, now: number): OwnerTrend {
  const bound = residentAnswer(resident, now)
  const origin = floors ? reachingBack(floors, leakOrigin(now)) : now
  const survived = floors?.since(origin)
  const lacking = SPARSE_NEEDED - (survived?.t.length ?? 0)
  if (floors && survived && lacking <= 0) {
    const answer = answerFrom({ series: floors, origin, beginning: origin, now, error: HEAP_ERROR })
    const stale = bound.kind === 'leak' && survived.t.at(-1)! < bound.points.t[bound.points.t.length >> 1]!
    if (answer.kind === 'leak' || !stale) {
      return describe(
        'js-heap',
        answer,
        'used after major GC',
        'what survives major GCs is too irregular so far to tell',
      )
    }
  }
  const missing = `what is live shows only right after major GCs, seen from inside the process: needs ${plural(Math.max(1, lacking), 'more major GC')}`
  const kind = bound.kind === 'leak' ? 'unknown' : bound.kind
  return describe('js-heap', { kind, points: bound.points }, 'resident', missing)
}

/**
 * In short runs major GCs and walks are few and early, so go back to the fifth last: a start-up that bends the line is then
 * still told from a leak by the halves of the window.
 */
function reachingBack(series: Series, origin: number): number {
  return Math.min(origin, series.since(0).t.at(-SPARSE_NEEDED) ?? 0)
}

function describe(
  owner: Owner,
  { kind: told, points, mayBeWarmUp }: Answer,
  series: OwnerTrend['series'],
  missing: string,
): OwnerTrend {
  const { t, v } = points
  const { slope, low, high } = slopeOf(points)
  // A rate that may as well be 0 accuses nobody, whatever the least squares say of a few scattered points.
  const kind = told === 'leak' && low <= 0 ? 'unknown' : told
  return {
    owner,
    kind,
    growth: Number.isNaN(slope) ? null : { bytesPerHour: slope * HOUR, low: low * HOUR, high: high * HOUR },
    from: v[0] ?? 0,
    to: v.at(-1) ?? 0,
    windowMs: t.length > 0 ? t.at(-1)! - t[0]! : 0,
    series,
    ...(kind === 'leak' && mayBeWarmUp !== undefined && { mayBeWarmUp }),
    ...(kind === 'unknown' && { missing }),
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
