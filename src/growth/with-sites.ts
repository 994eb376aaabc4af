/** Decides what an owner's allocation sites say of it, where its own series does not know, or does not see it for noise. Pure. */

import type { Owner } from '../owners.js'
import type { OwnerTrend } from './owner-trend.js'
import { type GrowingSite, isCache, regionsOf, together } from './sites.js'

const HOUR = 3600e3

/**
 * Sites that leak make a leak of an owner that is unknown, or that seems level and may as well grow as fast as they do: what
 * comes and goes elsewhere hides them in its bytes, while young memory is set aside from theirs. And where nothing but
 * declared caches grows, and by enough to account for all of it, nobody is accused before those are full.
 */
export function withSites(trend: OwnerTrend, growing: GrowingSite[]): OwnerTrend {
  const sites = growing.filter(({ def }) => def.owner === trend.owner)
  const caches = sites.filter(isCache)
  const others = sites.filter((site) => !isCache(site))
  const leaks = others.filter((site) => site.trend.kind === 'leak')
  if (leaks.length > 0 && mayHide(trend, leaks)) return leakOf(trend.owner, leaks)
  if (trend.kind !== 'leak' || caches.length === 0 || others.length > 0) return trend
  const { bytesPerHour, bytesPerHourError } = together(caches)
  if (bytesPerHour + 2 * bytesPerHourError < trend.growth!.low) return trend
  const names = regionsOf(caches)
    .map((region) => `'${region}'`)
    .join(', ')
  return {
    ...trend,
    kind: 'unknown',
    missing: `grows with region ${names}, declared a cache: needs a run until that is full`,
  }
}

function mayHide({ kind, growth }: OwnerTrend, leaks: GrowingSite[]): boolean {
  return kind === 'unknown' || (kind === 'steady' && growth !== null && together(leaks).bytesPerHour <= growth.high)
}

function leakOf(owner: Owner, leaks: GrowingSite[]): OwnerTrend {
  const { bytesPerHour, bytesPerHourError } = together(leaks)
  // Each site's rate is that of its own window: all of them hold in the shortest, and in no longer one.
  const windowMs = Math.min(...leaks.map(({ trend }) => trend.windowMs))
  const to = leaks.reduce((total, { trend }) => total + trend.to, 0)
  return {
    owner,
    kind: 'leak',
    growth: {
      bytesPerHour,
      low: bytesPerHour - 1.96 * bytesPerHourError,
      high: bytesPerHour + 1.96 * bytesPerHourError,
    },
    from: Math.max(0, to - bytesPerHour * (windowMs / HOUR)),
    to,
    windowMs,
    series: 'live at its sites',
    mayBeWarmUp: leaks.every(({ trend }) => trend.mayBeWarmUp),
  }
}
