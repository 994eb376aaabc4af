/**
 * Decides what the heaps of other isolates show. Major GCs are seen of the isolate that takes the readings only, so what
 * survives them says nothing of workers, and resident bytes overstate a leak inside one of them. But where threads are started
 * and do not end, each keeps a heap, and that is a leak by itself.
 */

import { type OwnerTrend, residentTrend } from './owner-trend.js'
import type { Series } from './series.js'

/** The touched part of a few stacks: a Node worker's is about 48 KiB. */
const FEW_STACKS_BYTES = 256 * 1024

/** The trend of thread stacks, where there are clearly more and more of them. */
export function piledUpThreads(trends: OwnerTrend[]): OwnerTrend | undefined {
  return trends.find(
    ({ owner, growth, from, to }) =>
      owner === 'thread-stacks' && growth !== null && growth.low > 0 && to - from >= FEW_STACKS_BYTES,
  )
}

/** @param elsewhere resident bytes of JS heap beyond all that the reading isolate's own heap may take */
export function withWorkers(trends: OwnerTrend[], elsewhere: Series, now: number): OwnerTrend[] {
  const others = residentTrend('js-heap', elsewhere, now)
  if (others.kind !== 'leak') return trends
  const threads = piledUpThreads(trends)
  return trends.map((trend) => {
    if (trend.owner !== 'js-heap' || trend.kind === 'leak') return trend
    if (threads) return { ...others, series: 'resident, of other isolates' }
    const missing = 'grows in other isolates, whose major GCs are not seen from here: watch inside the workers'
    return { ...trend, kind: 'unknown', missing }
  })
}
