/**
 * Ranks the allocation sites of one process by growth, and says what of them a verdict may say.
 * Only what clearly grows is named, and memory allocated in a region that was declared a cache is named as such and never
 * accused: a cache grows until it is full, and only the program knows when that is.
 */

import { basename, isAbsolute } from 'node:path'
import type { Owner } from '../owners.js'
import { MOST_SITES, type Reading, type SiteDef } from '../readings/reading.js'
import { formatBytes, formatRate } from '../units.js'
import { reunited } from './inlined-sites.js'
import type { OwnerTrend } from './owner-trend.js'
import { SiteSeries, type SiteTrend } from './site-trend.js'
import type { Site, StackFrame } from './verdict.js'

/** Of one cause; the rest are in the profile. */
export const MOST_SITES_NAMED = 10

/** Standard errors that a site's growth is above 0. Three: of 64 level sites one then seems to grow in every eleventh look. */
const CLEARLY = 3

/** Standard errors by which the site that grows most must lead, where its owner is known to leak and nothing else has to be told from noise. */
const AHEAD = 2

/** Of its owner's growth: whoever has so much of it is named. */
const MOST_OF_IT = 0.5

/** A site that grows. */
export interface GrowingSite {
  def: SiteDef
  trend: SiteTrend
  /** The function that V8 has put it into, if it has. */
  inlinedInto?: string
}

export class Sites {
  readonly #series = new Map<number, SiteSeries>()
  readonly #defs = new Map<number, SiteDef>()

  /**
   * Takes what a reading says of sites, if anything. A site that it leaves out is no longer among the largest, and is
   * forgotten; only, where it tells of no site of the JS heap, that was not read.
   */
  add(elapsedMs: number, { sites, siteDefs = [] }: Pick<Reading, 'sites' | 'siteDefs'>): void {
    for (const def of siteDefs.slice(0, MOST_SITES)) this.#defs.set(def.site, def)
    if (sites) this.#count(elapsedMs, sites.slice(0, MOST_SITES))
    for (const site of this.#defs.keys()) {
      if (this.#defs.size <= 2 * MOST_SITES) break
      if (!this.#series.has(site)) this.#defs.delete(site)
    }
  }

  /** How much is kept: never more than MOST_SITES series, and twice as many definitions. */
  held(): { series: number; defs: number } {
    return { series: this.#series.size, defs: this.#defs.size }
  }

  #count(elapsedMs: number, lines: NonNullable<Reading['sites']>): void {
    const present = new Set(lines.map(({ site }) => site))
    const ofJsHeap = (site: number) => this.#defs.get(site)?.owner === 'js-heap'
    const jsHeapRead = lines.some(({ site }) => ofJsHeap(site))
    for (const site of this.#series.keys()) {
      if (!present.has(site) && (jsHeapRead || !ofJsHeap(site))) this.#series.delete(site)
    }
    let excess = new Set([...this.#series.keys(), ...present]).size - MOST_SITES
    for (const site of this.#series.keys()) {
      if (!present.has(site) && excess-- > 0) this.#series.delete(site)
    }
    for (const line of lines) {
      // Named twice in one line, a site counts once.
      if (!present.delete(line.site)) continue
      const series = this.#series.get(line.site) ?? new SiteSeries()
      this.#series.set(line.site, series)
      series.add(elapsedMs, line)
    }
  }

  /** All that are known by name, fastest first. */
  known(): GrowingSite[] {
    const followed = Array.from(this.#series, ([site, series]) => ({ def: this.#defs.get(site), series }))
    return reunited(followed.filter((site): site is { def: SiteDef; series: SiteSeries } => site.def !== undefined))
      .map(({ series, ...site }) => ({ ...site, trend: series.trend() }))
      .sort((a, b) => (b.trend.bytesPerHour || 0) - (a.trend.bytesPerHour || 0))
  }

  /** Those of them that grow. */
  growing(): GrowingSite[] {
    return this.known().filter(isGrowing)
  }
}

export function isGrowing({ trend }: GrowingSite): boolean {
  const { kind, bytesPerHour, bytesPerHourError } = trend
  return kind === 'leak' || (kind !== 'warm-up' && bytesPerHour > CLEARLY * bytesPerHourError)
}

/**
 * The site that grows most where its owner leaks, although it alone would not be known to grow: it has most of the growth, and
 * clearly more than any other. `known` are all sites, fastest first.
 */
export function leading(known: GrowingSite[], { owner, kind, growth }: OwnerTrend): GrowingSite | undefined {
  if (kind !== 'leak' || growth === null) return undefined
  const [first, second] = known.filter(({ def, trend }) => def.owner === owner && Number.isFinite(trend.bytesPerHour))
  if (first === undefined || isCache(first) || first.trend.kind === 'warm-up') return undefined
  const { bytesPerHour, bytesPerHourError } = first.trend
  const lead = bytesPerHour - (second?.trend.bytesPerHour ?? 0)
  const error = Math.hypot(bytesPerHourError, second?.trend.bytesPerHourError ?? 0)
  return bytesPerHour >= MOST_OF_IT * growth.bytesPerHour && lead > AHEAD * error ? first : undefined
}

export function isCache({ def }: GrowingSite): boolean {
  return def.kind === 'cache'
}

/** The regions that allocate there, each once. */
export function regionsOf(sites: GrowingSite[]): string[] {
  return [...new Set(sites.map(({ def }) => def.region))]
}

/** The sites to blame for the growth of `owner`, as a verdict has them. */
export function accused(growing: GrowingSite[], owner: Owner): Site[] {
  return growing
    .filter((site) => site.def.owner === owner && !isCache(site))
    .slice(0, MOST_SITES_NAMED)
    .map(({ def, trend }) => ({
      bytesPerHour: trend.bytesPerHour,
      bytesPerHourError: trend.bytesPerHourError,
      liveBytes: trend.liveBytes,
      standardError: trend.standardError,
      function: def.function,
      file: def.file,
      line: def.line,
      region: def.region || null,
      stack: def.stack,
    }))
}

/** Growth of several sites together. Samples of different sites are independent, so variances add. */
export function together(sites: GrowingSite[]): { bytesPerHour: number; bytesPerHourError: number } {
  let bytesPerHour = 0
  let variance = 0
  for (const { trend } of sites) {
    bytesPerHour += trend.bytesPerHour
    variance += trend.bytesPerHourError ** 2
  }
  return { bytesPerHour, bytesPerHourError: Math.sqrt(variance) }
}

/** `resize (/app/thumbs.js:41)`; of native code, which has no line, `images::Cache::add (images.node)`. */
export function siteName({ function: name, file, line }: Pick<Site, 'function' | 'file' | 'line'>): string {
  if (line > 0) return `${name || '(anonymous)'} (${file}:${line})`
  const called = shortNativeName(name) || '(anonymous)'
  if (file === '') return called
  return `${called} (${isAbsolute(file) ? basename(file) : file})`
}

/** `node::CompressionStream::AllocForZlib`: who wonders which instance it is finds all of it in the profile. */
function shortNativeName(name: string): string {
  if (/\boperator\b/.test(name)) return name
  let short = name.replaceAll('(anonymous namespace)::', '')
  for (let before = ''; before !== short; ) {
    before = short
    short = short.replace(/<[^<>]*>/g, '')
  }
  return short
}

/** The JavaScript that called native code, innermost first; none of a site that is JavaScript itself. */
export function jsCallers({ function: name, file, line, stack }: Site): StackFrame[] {
  const at = stack.findIndex((frame) => frame.function === name && frame.file === file && frame.line === line)
  if (stack[at]?.kind !== 'native') return []
  return stack.filter(({ kind, file }) => kind === 'js' && file !== '' && !file.startsWith('node:'))
}

/** `5.1 MiB/s ± 310 KiB`: a rate with one standard error. */
export function siteRate({
  bytesPerHour,
  bytesPerHourError,
}: Pick<Site, 'bytesPerHour' | 'bytesPerHourError'>): string {
  const error = formatRate(bytesPerHourError, { like: bytesPerHour }).replace(/\/\w+$/, '')
  return `${formatRate(bytesPerHour)} ± ${error}`
}

/** What a person can check, of one site. */
export function siteSentence(site: GrowingSite): string {
  const { def, trend } = site
  const live = `${formatBytes(trend.liveBytes)} ± ${formatBytes(trend.standardError)}`
  const where = def.region === '' ? '' : ` in region '${def.region}'`
  const excuse = isCache(site) ? ', which is declared a cache' : ''
  const caller = site.inlinedInto === undefined ? '' : ` (V8 has since inlined it into ${site.inlinedInto})`
  const thread = def.thread ? ` (of thread '${def.thread}', with no JavaScript on its stack)` : ''
  return `of ${def.owner}, ${siteName(def)}${caller}${thread} keeps ${live} allocated${where}${excuse}, growing by ${siteRate(trend)}`
}
