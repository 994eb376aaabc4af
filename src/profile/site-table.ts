/**
 * Follows the allocation sites that keep most, from one snapshot of a profile to the next, and writes them as a timeline has them.
 * A site is a place in the user's own code, in one region, for one owner of memory; its traces are summed. Owners are those of
 * readings, which know the Buffers of this thread only: those of other threads are malloc's there. The table has
 * MOST_SITES places: a site that comes in takes the place of one that has clearly become smaller, and one that has lost its place
 * and comes again is a new one, with a new number. So a number says one thing for ever, and what a reader must hold is bounded.
 */

import {
  MOST_SITE_CHARACTERS,
  MOST_SITE_FRAMES,
  MOST_SITES,
  type Reading,
  type SiteDef,
  type SiteLine,
  type StackFrame,
} from '../readings/reading.js'
import { type Frame, PROFILE_OWNERS, type ProfileColumns, type Sums } from './columns.js'
import { foldInternal } from './fold.js'
import { framesOf, isOwnCode, isOwnScript, siteFrame, stackFrame } from './site.js'
import { THIS_THREAD } from './this-thread.js'
import { Turns } from './turns.js'

/** A newcomer must be this many times larger than the site whose place it takes: two that are alike would take turns. */
const CLEARLY_LARGER = 2

const MALLOC = PROFILE_OWNERS.indexOf('malloc')
const ARRAY_BUFFERS = PROFILE_OWNERS.indexOf('array-buffers')
const JS_HEAP = PROFILE_OWNERS.indexOf('js-heap')

/** What makes a site the same one in the next snapshot, where all numbers may be others. */
interface Identity {
  place: string
  region: string
  /** Index in PROFILE_OWNERS. */
  owner: number
}

export type SiteNews = Required<Pick<Reading, 'sites' | 'siteDefs'>>

export class SiteTable {
  /** By number. */
  readonly #seated = new Map<number, Identity>()
  /** What was said last, of sites outside the JS heap. */
  #native: SiteLine[] = []
  #jsHeapAt = 0
  #next = 1

  /** What the next reading says of sites: all that have a place, and who the new ones are. */
  feed(columns: ProfileColumns): SiteNews {
    const snapshot = new Snapshot(columns)
    while (snapshot.advance()) {}
    return this.#compare(columns, snapshot)
  }

  /** The same in slices of some milliseconds, for a service that goes on. One at a time. */
  async feedInSlices(columns: ProfileColumns): Promise<SiteNews> {
    const snapshot = new Snapshot(columns)
    const turns = new Turns()
    while (snapshot.advance()) if (turns.over) await turns.next()
    await turns.next()
    return this.#compare(columns, snapshot)
  }

  /** Whether it has its place still. */
  has(site: number): boolean {
    return this.#seated.has(site)
  }

  /** What the next reading says where a snapshot would be the one before: of native memory that is new evidence, for sites that stand still. */
  again(): SiteNews {
    return { sites: [...this.#native], siteDefs: [] }
  }

  #compare(columns: ProfileColumns, snapshot: Snapshot): SiteNews {
    const rows = new Map(Array.from(this.#seated, ([site, identity]) => [site, snapshot.find(identity)]))
    const siteDefs = this.#seat(snapshot, rows).map((site) => snapshot.define(site, rows.get(site)!))
    // What was counted before is no new evidence: said twice, it would look like a site that stands still.
    const jsHeapIsNews = columns.jsHeapAt === 0 || columns.jsHeapAt !== this.#jsHeapAt
    this.#jsHeapAt = columns.jsHeapAt
    const sites: SiteLine[] = []
    for (const [site, row] of rows) {
      if (jsHeapIsNews || this.#seated.get(site)!.owner !== JS_HEAP) sites.push(snapshot.count(site, row))
    }
    this.#native = sites.filter(({ site }) => this.#seated.get(site)!.owner !== JS_HEAP)
    return { sites, siteDefs }
  }

  /** Gives places to the largest that have none, and returns their numbers. */
  #seat(snapshot: Snapshot, rows: Map<number, number>): number[] {
    const smallest = [...rows.keys()].sort((a, b) => snapshot.live(rows.get(a)!) - snapshot.live(rows.get(b)!))
    const taken = new Set(rows.values())
    const newcomers: number[] = []
    for (const row of snapshot.largest()) {
      if (taken.has(row)) continue
      if (this.#seated.size >= MOST_SITES) {
        const leaving = smallest.shift()
        if (leaving === undefined || snapshot.live(row) < CLEARLY_LARGER * snapshot.live(rows.get(leaving)!)) break
        this.#seated.delete(leaving)
        rows.delete(leaving)
      }
      const site = this.#next++
      this.#seated.set(site, snapshot.identify(row))
      rows.set(site, row)
      newcomers.push(site)
    }
    return newcomers
  }
}

const NO_ROW = -1

/** Between two looks at the clock. */
const TRACES_AT_ONCE = 256

/** One row of sums a site. Columns of numbers and few strings: 20,000 traces may have nearly as many sites. */
class Snapshot {
  readonly #columns: ProfileColumns
  /** Rows by place, region and owner as one number. */
  readonly #rows = new Map<number, number>()
  readonly #keys: number[] = []
  readonly #live: number[] = []
  readonly #variance: number[] = []
  readonly #samples: number[] = []
  /** The trace whose stack stands for the site: of those that know the line of the call, the one of which most is live. */
  readonly #trace: number[] = []
  readonly #traceLive: number[] = []
  readonly #places: Places
  /** The first index of each name: a merged profile may have a region twice. */
  readonly #regions: Map<string, number>
  /** By index of the region: the first index of its name. */
  readonly #regionOf: number[]
  /** By index of the thread: whether it is a worker with Buffers of its own. */
  readonly #elsewhere: boolean[]
  #next = 0

  constructor(columns: ProfileColumns) {
    this.#columns = columns
    this.#places = new Places(columns)
    const { regions, threads } = columns
    this.#elsewhere = threads.map((name) => name.startsWith('worker') && name !== THIS_THREAD)
    this.#regions = new Map(regions.map((name, i) => [name, i] as const).reverse())
    this.#regionOf = regions.map((name) => this.#regions.get(name)!)
  }

  /** Adds some more traces; false when there are no more. */
  advance(): boolean {
    const { live, old, owner, region } = this.#columns
    const end = Math.min(owner.length, this.#next + TRACES_AT_ONCE)
    for (; this.#next < end; this.#next++) {
      const trace = this.#next
      // V8's sampler knows what lives and not for how long.
      const from = Number.isNaN(old.bytes[trace]!) ? live : old
      const bytes = from.bytes[trace]!
      if (!(bytes > 0)) continue
      const place = this.#places.of(trace)
      if (place === NO_ROW) continue
      this.#add(this.#key(place, this.#regionOf[region[trace]!] ?? 0, this.#owner(trace)), trace, from, bytes)
    }
    return end < owner.length
  }

  /** Index in PROFILE_OWNERS. */
  #owner(trace: number): number {
    const owner = this.#columns.owner[trace]!
    return owner === ARRAY_BUFFERS && this.#elsewhere[this.#columns.thread[trace]!] ? MALLOC : owner
  }

  #key(place: number, region: number, owner: number): number {
    return (place * this.#columns.regions.length + region) * PROFILE_OWNERS.length + owner
  }

  #add(key: number, trace: number, from: Sums, bytes: number): void {
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = this.#keys.push(key) - 1
      this.#rows.set(key, row)
      for (const column of [this.#live, this.#variance, this.#samples, this.#trace, this.#traceLive]) column.push(0)
    }
    this.#live[row]! += bytes
    this.#variance[row]! += from.bytesVariance[trace]! || 0
    this.#samples[row]! += from.samples[trace]! || 0
    // A trace that knows the line of the call says more, however little of the site it is: most were the same call
    // before V8 optimized the function.
    const weight = this.#places.knowsCall(trace) ? bytes : bytes * 1e-9
    if (weight > this.#traceLive[row]!) {
      this.#trace[row] = trace
      this.#traceLive[row] = weight
    }
  }

  live(row: number): number {
    return this.#live[row] ?? 0
  }

  /** Rows of the sites with the most live bytes, largest first. */
  largest(): number[] {
    const least =
      Float64Array.from(this.#live)
        .sort()
        .at(-2 * MOST_SITES) ?? 0
    const rows: number[] = []
    for (let row = 0; row < this.#live.length; row++) if (this.#live[row]! >= least) rows.push(row)
    return rows.sort((a, b) => this.#live[b]! - this.#live[a]!)
  }

  /** NO_ROW where nothing of the site is left. */
  find({ place, region, owner }: Identity): number {
    const placeNow = this.#places.find(place)
    const regionNow = this.#regions.get(region)
    if (placeNow === undefined || regionNow === undefined) return NO_ROW
    return this.#rows.get(this.#key(placeNow, regionNow, owner)) ?? NO_ROW
  }

  identify(row: number): Identity {
    const { regions } = this.#columns
    const [owners, key] = [PROFILE_OWNERS.length, this.#keys[row]!]
    const above = Math.floor(key / owners)
    return {
      place: this.#places.names[Math.floor(above / regions.length)]!,
      region: regions[above % regions.length]!,
      owner: key % owners,
    }
  }

  count(site: number, row: number): SiteLine {
    if (row === NO_ROW) return { site, live: 0, variance: 0, samples: 0 }
    return { site, live: this.#live[row]!, variance: this.#variance[row]!, samples: this.#samples[row]! }
  }

  define(site: number, row: number): SiteDef {
    const columns = this.#columns
    const { frames, mappings, regions, regionKinds, region, stackFrames, starts, thread, threads } = columns
    const trace = this.#trace[row]!
    const named = siteFrame(framesOf(columns, trace), mappings)!
    const { function: name, file, line } = short(stackFrame(named, mappings))
    const stack = stackFrames.subarray(starts[trace], starts[trace + 1])
    const folded = foldInternal(columns, stack)
    const script = stack.some((at) => frames[at]!.kind === 'js')
    return {
      site,
      function: name,
      file,
      line,
      region: regions[region[trace]!] ?? '',
      kind: regionKinds[region[trace]!] ?? '',
      owner: PROFILE_OWNERS[this.#owner(trace)]!,
      stack: folded.slice(0, MOST_SITE_FRAMES).map((at) => short(stackFrame(frames[at]!, mappings))),
      ...(!script && { thread: threads[thread[trace]!] ?? '' }),
    }
  }
}

const UNKNOWN = 0
const OTHERS = -1

/** Where traces are allocated: the place of `siteFrame`, as a number. Each frame is looked at once, however many traces go through it. */
class Places {
  readonly names: string[] = []
  readonly #columns: ProfileColumns
  readonly #numbers = new Map<string, number>()
  /** Per frame: 1 + its place, OTHERS for a frame that is not the user's code, UNKNOWN before it was looked at. */
  readonly #ofFrame: Int32Array

  constructor(columns: ProfileColumns) {
    this.#columns = columns
    this.#ofFrame = new Int32Array(columns.frames.length)
  }

  /** NO_ROW of a trace without a frame, and of what tidemark allocated itself. */
  of(trace: number): number {
    const { frames, mappings, stackFrames, starts } = this.#columns
    const end = starts[trace + 1]!
    for (let i = starts[trace]!; i < end; i++) {
      const at = stackFrames[i]!
      if (this.#ofFrame[at] === UNKNOWN) {
        this.#ofFrame[at] = isOwnCode(frames[at]!, mappings) ? 1 + this.#number(frames[at]!) : OTHERS
      }
      if (this.#ofFrame[at]! > UNKNOWN) return this.#ofFrame[at]! - 1
    }
    const frame = siteFrame(framesOf(this.#columns, trace), mappings)
    return frame === undefined || isOwnScript(frame) ? NO_ROW : this.#number(frame)
  }

  find(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  /** Whether the frame that `of` named knows its line; of a native one there is none to know. */
  knowsCall(trace: number): boolean {
    const { frames, stackFrames, starts } = this.#columns
    for (let i = starts[trace]!; i < starts[trace + 1]!; i++) {
      const at = stackFrames[i]!
      if (this.#ofFrame[at]! > UNKNOWN) return frames[at]!.kind === 'native' || frames[at]!.call !== undefined
    }
    return false
  }

  #number(frame: Frame): number {
    const file = frame.file || (this.#columns.mappings[frame.mapping]?.path ?? '')
    // By where the function begins: the line of the call is known of some samples only.
    const name = `${frame.line}\n${frame.function}\n${file}`
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.names.length)
    return this.names.push(name) - 1
  }
}

/** Of a long path the end tells more. */
function short(frame: StackFrame): StackFrame {
  const { function: name, file } = frame
  return { ...frame, function: name.slice(0, MOST_SITE_CHARACTERS), file: file.slice(-MOST_SITE_CHARACTERS) }
}
