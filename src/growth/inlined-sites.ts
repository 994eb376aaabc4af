/**
 * Decides which sites are one that V8 has divided. Once it optimizes a function, V8 may put the code of those that it calls into
 * it, and from then on stacks show the caller alone: V8's own sampler always, ours where V8 does not say what the code was
 * made of. The function that leaks then seems to stop, and its caller to begin. Pure.
 *
 * Only time tells: the callee stands still from when its caller begins, and both together go on as the callee did before. What the
 * caller allocates from then on is the callee's; where there are several, it is shared in proportion to what they allocated.
 */

import type { SiteDef } from '../readings/reading.js'
import type { SiteSeries } from './site-trend.js'

export interface FollowedSite {
  def: SiteDef
  series: SiteSeries
  /** The function that V8 has put it into, if it has. */
  inlinedInto?: string
}

/** Of the last bytes of a site: where it has so many, it has stopped. Not all of them, as samples come and go. */
const NEARLY_ALL = 0.95
/** Of the caller's growth, or of its rate: less is none. */
const LITTLE = 0.25
/** Standard errors by which both must have grown, one before and one after. */
const CLEARLY = 2
/** The rates before and after differ by less than this factor: a service is not as busy all the time, and readings are few and late. */
const ALIKE = 3

/** One site for each that was divided, under the name of the callee; all others as they are. */
export function reunited(sites: FollowedSite[]): FollowedSite[] {
  // From the innermost outwards: a caller may have been put into its own caller later.
  for (const caller of [...sites].sort((a, b) => a.series.bornAt - b.series.bornAt)) {
    if (!sites.includes(caller)) continue
    const handovers = sites.flatMap((callee) => handover(callee, caller) ?? [])
    const before = handovers.reduce((sum, { bytesPerMs }) => sum + bytesPerMs, 0)
    if (handovers.length === 0 || !goesOn(handovers, caller, before)) continue
    sites = sites.flatMap((site) => {
      if (site === caller) return []
      const mine = handovers.find(({ callee }) => callee === site)
      if (mine === undefined) return [site]
      const series = site.series.joinedBy(caller.series, mine.bytesPerMs / before)
      return [{ def: site.def, series, inlinedInto: caller.def.function }]
    })
  }
  return sites
}

interface Handover {
  callee: FollowedSite
  at: number
  /** Of the callee, before. */
  bytesPerMs: number
}

/** When and from what rate the callee stopped, if it did as its caller began. */
function handover(callee: FollowedSite, caller: FollowedSite): Handover | undefined {
  if (!calls(caller.def, callee.def)) return undefined
  const last = callee.series.last
  const stopped = callee.series.firstAt(NEARLY_ALL * last.live)
  const start = callee.series.bornAt
  const grown = callee.series.at(stopped) - callee.series.at(start)
  const begun = caller.series.at(stopped)
  const more = caller.series.last.live - begun
  if (grown <= CLEARLY * last.standardError || more <= CLEARLY * caller.series.last.standardError) return undefined
  const begins = begun / (stopped - start) <= (LITTLE * more) / (caller.series.lastAt - stopped)
  const ends = last.live - callee.series.at(stopped) <= LITTLE * more
  return begins && ends ? { callee, at: stopped, bytesPerMs: grown / (stopped - start) } : undefined
}

/** Whether all of them together are one line until the caller stops, if it does: as steep after as before, and not with a pause between. */
function goesOn(handovers: Handover[], caller: FollowedSite, before: number): boolean {
  const from = Math.min(...handovers.map(({ at }) => at))
  const to = caller.series.firstAt(NEARLY_ALL * caller.series.last.live)
  const together = (at: number) =>
    handovers.reduce((sum, { callee }) => sum + callee.series.at(at), caller.series.at(at))
  const rise = together(to) - together(from)
  const ratio = rise / (to - from) / before
  const halfway = (together((from + to) / 2) - together(from)) / rise
  return ratio > 1 / ALIKE && ratio < ALIKE && halfway > LITTLE && halfway < 1 - LITTLE
}

/** Whether the stack of `callee` goes through the function of `caller`, both being JavaScript. */
function calls(caller: SiteDef, callee: SiteDef): boolean {
  if (caller === callee || caller.owner !== callee.owner || caller.region !== callee.region) return false
  const own = callee.stack.findIndex((frame) => isIn(frame, callee) && frame.line === callee.line)
  if (callee.stack[own]?.kind !== 'js' || isIn(callee, caller)) return false
  return callee.stack.slice(own + 1).some((frame) => frame.kind === 'js' && isIn(frame, caller))
}

/** By name: the line is that of a call. */
function isIn(frame: Pick<SiteDef, 'function' | 'file'>, site: SiteDef): boolean {
  return frame.function === site.function && frame.file === site.file
}
