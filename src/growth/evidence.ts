/** The evidence of a verdict: sentences with numbers that a person can check. Pure. */

import type { Owner } from '../owners.js'
import type { AllocatorReading } from '../readings/reading.js'
import { formatBytes, formatDuration, formatRate } from '../units.js'
import { trimWords } from './allocator-remedy.js'
import type { CauseTrend } from './causes.js'
import { TRIVIAL_BYTES } from './kind.js'
import type { OwnerTrend } from './owner-trend.js'
import { type GrowingSite, isCache, siteSentence } from './sites.js'

/** What was seen in all. */
export interface Seen {
  readings: number
  elapsedMs: number
  majorGcs: number
  rss: { from: number; to: number }
  allocator: AllocatorReading | undefined
}

export function evidence(seen: Seen, causes: CauseTrend[], sites: GrowingSite[], trends: OwnerTrend[]): string[] {
  if (seen.readings === 0) return ['no readings']
  return [
    ...runWords(seen),
    ...causes.map((cause) => (cause.held ? heldWords(cause, seen) : growthWords(cause, seen))),
    ...namedSites(sites, trends),
    ...flat(trends),
    ...allocatorWords(seen),
    ...missing(trends),
  ]
}

function runWords({ readings, elapsedMs, majorGcs, rss: { from, to } }: Seen): string[] {
  const gcs = majorGcs > 0 ? `, ${majorGcs} major GCs` : ''
  return [
    `${readings} readings over ${formatDuration(elapsedMs)}${gcs}`,
    `RSS ${formatBytes(from)} → ${formatBytes(to)} (${formatBytes(to - from, { signed: true })})`,
  ]
}

function heldWords({ owner, held }: CauseTrend, { rss }: Seen): string {
  const { bytes, ms } = held!
  return `${owner}: at least ${formatBytes(bytes)} stayed free for the last ${formatDuration(ms)}, of ${formatBytes(rss.to)} that are resident`
}

function growthWords({ owner, kind, growth, from, to, windowMs, series, mayBeWarmUp }: CauseTrend, seen: Seen): string {
  const like = growth.bytesPerHour
  const [rate, low, high] = [like, growth.low, growth.high].map((value) => formatRate(value, { like }))
  const grew = `${nameOf(owner, series)} ${formatBytes(from)} → ${formatBytes(to)} in ${formatDuration(windowMs)}`
  if (kind === 'warm-up') return `${grew}, then settled`
  const caveat = mayBeWarmUp ? `: a leak, unless ${otherwise(windowMs, seen.elapsedMs)}` : ''
  return `${grew}, ${rate} (95 %: ${low} to ${high})${caveat}`
}

/** What growth may be that has been seen for a while only. Where it began late, the time seen before says nothing of it. */
function otherwise(windowMs: number, elapsedMs: number): string {
  return windowMs < LATE * elapsedMs
    ? `it is work that comes to an end (${formatDuration(windowMs)} of ${formatDuration(elapsedMs)} seen)`
    : `the program is still warming up (seen ${formatDuration(elapsedMs)})`
}

/** Of the time seen: growth of a shorter time began late. */
const LATE = 0.25

const MOST_SITE_SENTENCES = 3

/** The sites that grow most where their owner does, and the caches among them whatever their owner does. */
function namedSites(growing: GrowingSite[], trends: OwnerTrend[]): string[] {
  const grown = new Set(trends.filter(({ kind }) => kind === 'leak').map(({ owner }) => owner))
  const blamed = growing.filter((site) => !isCache(site) && grown.has(site.def.owner)).slice(0, MOST_SITE_SENTENCES)
  const caches = growing.filter(isCache).slice(0, MOST_SITE_SENTENCES)
  return [...blamed, ...caches].map(siteSentence)
}

/** The largest owners that stayed level, with the growth that their readings leave possible. */
function flat(trends: OwnerTrend[]): string[] {
  const level = trends.filter(({ kind, to }) => kind === 'steady' && to >= TRIVIAL_BYTES).sort((a, b) => b.to - a.to)
  return level.slice(0, 3).map(({ owner, from, to, windowMs, growth, series }) => {
    const stock = growth !== null && growth.low > 0 && to - from >= TRIVIAL_BYTES
    const what = stock ? "no more than an allocator's working stock" : 'level'
    const at = `${nameOf(owner, series)} ${what}: ${formatBytes(from)} → ${formatBytes(to)} in ${formatDuration(windowMs)}`
    if (!growth) return at
    const like = Math.max(Math.abs(growth.low), Math.abs(growth.high))
    return `${at} (95 %: ${formatRate(growth.low, { like })} to ${formatRate(growth.high, { like })})`
  })
}

function nameOf(owner: Owner, series: OwnerTrend['series']): string {
  return series === 'resident' ? owner : `${owner} (${series})`
}

function missing(trends: OwnerTrend[]): string[] {
  return trends.flatMap(({ owner, missing }) => (missing ? [`${owner} unknown: ${missing}`] : []))
}

function allocatorWords({ allocator }: Seen): string[] {
  if (!allocator || Math.max(allocator.live, allocator.free) < TRIVIAL_BYTES) return []
  const { name, live, free, trimmable, inThreadArenas } = allocator
  const arenas = inThreadArenas > 0 ? `, ${formatBytes(inThreadArenas)} of it in arenas of threads` : ''
  return [`${name} has ${formatBytes(live)} in use and keeps ${formatBytes(free)} free${arenas}${trimWords(trimmable)}`]
}
