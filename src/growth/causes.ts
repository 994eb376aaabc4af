/** Decides which trends are causes of growth, and in what order they are told; the first gives the verdict its kind. Pure. */

import type { MemoryLimit } from '../readings/reading.js'
import type { OwnerTrend } from './owner-trend.js'
import type { Cause, GrowthRate } from './verdict.js'

const HOUR = 3600e3

/** The trend of an owner that is a cause. */
export type CauseTrend = OwnerTrend & { kind: Cause['kind']; growth: GrowthRate }

/** The worst first; of equals what grows by its pace, and what does not by its size. */
export function causesAmong(trends: OwnerTrend[]): CauseTrend[] {
  return trends.filter(isCause).sort((a, b) => severity(b) - severity(a) || weight(b) - weight(a))
}

function isCause(trend: OwnerTrend): trend is CauseTrend {
  return trend.growth !== null && ['leak', 'retention', 'warm-up'].includes(trend.kind)
}

/** What goes on growing comes before what has stopped, or did not grow while we looked. */
const SEVERITY = { leak: 3, retention: 2, 'warm-up': 1 } as const

function severity({ kind, held }: CauseTrend): number {
  return held ? SEVERITY['warm-up'] : SEVERITY[kind]
}

function weight(trend: CauseTrend): number {
  if (severity(trend) > SEVERITY['warm-up']) return pace(trend)
  return trend.held?.bytes ?? trend.to - trend.from
}

/** Bytes per hour over the window; for a warm-up the Theil–Sen slope is no measure, as it is that of the settled part. */
function pace({ from, to, windowMs }: OwnerTrend): number {
  return windowMs > 0 ? ((to - from) / windowMs) * HOUR : 0
}

const BY_PRODUCT = 0.05

/**
 * Bookkeeping grows with what it keeps: V8's marking structures, in malloc, grow by 1 % of the JS heap. Naming them as
 * a cause would send people after the wrong owner, so growth below 5 % of the largest waits until that one is settled. What has
 * settled explains nothing that goes on growing; and for pages of files nothing is kept in the process.
 */
export function withoutByProducts(trends: OwnerTrend[]): OwnerTrend[] {
  const moving = trends.filter(({ owner, kind, held }) => kind !== 'steady' && !held && owner !== 'file')
  const fastest = (among: OwnerTrend[]) =>
    among.reduce<OwnerTrend | undefined>((a, b) => (a && pace(a) >= pace(b) ? a : b), undefined)
  const all = fastest(moving)
  const going = fastest(moving.filter(({ kind }) => kind !== 'warm-up'))
  return trends.map((trend) => {
    const leader = trend.kind === 'warm-up' ? all : going
    if (!leader || !isCause(trend) || trend.held || pace(trend) >= BY_PRODUCT * pace(leader)) return trend
    const missing = `grows, but by less than 5 % of what ${leader.owner} does, and perhaps with it`
    return { ...trend, kind: 'unknown', missing }
  })
}

/** ms until `limit` is met at the rate of all leaks together; null where there is none. */
export function timeTo(limit: MemoryLimit, causes: CauseTrend[]): number | null {
  const leaks = causes.filter(({ kind }) => kind === 'leak')
  const perHour = leaks.reduce((sum, { growth }) => sum + growth.bytesPerHour, 0)
  return perHour > 0 ? (Math.max(0, limit.bytes - limit.used) / perHour) * HOUR : null
}
