/**
 * Takes snapshots of a running profile now and then, for whoever takes readings: the next reading carries what the snapshot
 * says of sites. Snapshots are close together at first, when little is known, and never take more than a hundredth of this
 * thread's time; the JS heap is read less often.
 */

import { getHeapStatistics } from 'node:v8'
import { majorCollections } from '../readings/major-gc.js'
import type { Reading } from '../readings/reading.js'
import type { ProfileColumns } from './columns.js'
import { type SiteNews, SiteTable } from './site-table.js'
import { WorkCost } from './work-cost.js'

export interface SourceSnapshot {
  readonly columns: ProfileColumns
}

/** A running profile: a `ProfileSession`, and whatever stands in for one. */
export interface ProfileSource {
  /** Given the snapshot before, it may give that again: then nothing has changed. */
  snapshot(options: { jsHeap: boolean; onlyLive: boolean; since?: SourceSnapshot }): Promise<SourceSnapshot>
  /** How long the last reading of the JS heap held this thread, ms. */
  readonly jsHeapMs: number
}

const SHORTEST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 5000

/** Of the time seen so far: a run of 20 s needs a snapshot a second, a day does not. */
const PAUSE_SHARE = 1 / 20

/** Times what a snapshot costs: 1 % of the time. */
const COST_FACTOR = 100

/** ms to wait after a snapshot that cost `costMs` of this thread, `elapsedMs` after the start. */
export function pauseAfter(costMs: number, elapsedMs: number): number {
  const wanted = Math.min(Math.max(elapsedMs * PAUSE_SHARE, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
  return Math.max(wanted, costMs * COST_FACTOR)
}

/** Of the time seen so far: a heap that grows is read often enough, from the start, to see at what rate. */
const JS_HEAP_PAUSE_SHARE = 1 / 8

/** Times what a reading of the JS heap costs: a tenth of a percent of the time, and 2 % while a run is young. */
const JS_HEAP_COST_FACTOR = 1000
const YOUNG_JS_HEAP_COST_FACTOR = 50

/** Growth of the JS heap that is worth a reading: a process that stands still would grow by the readings alone. */
const JS_HEAP_WORTH_BYTES = 2 * 2 ** 20

/** ms between readings of the JS heap, the last of which held this thread for `costMs`, `elapsedMs` after the start: V8 collects the heap for each. */
export function jsHeapPause(costMs: number, elapsedMs: number): number {
  const wanted = Math.max(elapsedMs * JS_HEAP_PAUSE_SHARE, costMs * YOUNG_JS_HEAP_COST_FACTOR)
  const longest = Math.max(costMs * JS_HEAP_COST_FACTOR, LONGEST_PAUSE_MS)
  return Math.max(Math.min(wanted, longest), SHORTEST_PAUSE_MS)
}

export class SiteFeed {
  readonly #source: ProfileSource
  readonly #onProblem: (error: unknown) => void
  readonly #table = new SiteTable()
  readonly #startedAt = performance.now()
  readonly #cost = new WorkCost()
  #jsHeapMs = Number.POSITIVE_INFINITY
  #jsHeapDueAt = 0
  /** JS heap in use right after its last reading, bytes. */
  #jsHeapFloor = Number.NEGATIVE_INFINITY
  #latest: SourceSnapshot | undefined
  #news: Pick<Reading, 'sites' | 'siteDefs'> = {}
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** Starts at once; never keeps the process alive. After a snapshot that fails the next one is tried all the same. */
  constructor(source: ProfileSource, onProblem: (error: unknown) => void) {
    this.#source = source
    this.#onProblem = onProblem
    this.#schedule(SHORTEST_PAUSE_MS)
  }

  /** What has not been taken yet; empty when there was no snapshot since. */
  take(): Pick<Reading, 'sites' | 'siteDefs'> {
    const news = this.#news
    this.#news = {}
    return news
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => void this.#snapshot(), delayMs)
    this.#timer.unref()
  }

  async #snapshot(): Promise<void> {
    const began = performance.now()
    this.#cost.begin()
    try {
      const jsHeap = began >= this.#jsHeapDueAt && this.#jsHeapGrew()
      const before = this.#latest
      const snapshot = await this.#source.snapshot({ jsHeap, onlyLive: true, ...(before && { since: before }) })
      this.#latest = snapshot
      if (jsHeap) this.#planJsHeap(began)
      if (jsHeap) this.#jsHeapFloor = majorCollections().usedAfter
      if (this.#stopped) return
      this.#tell(snapshot === before ? this.#table.again() : await this.#table.feedInSlices(snapshot.columns))
    } catch (error) {
      if (!this.#stopped) this.#onProblem(error)
    }
    this.#schedule(pauseAfter(this.#cost.end(), performance.now() - this.#startedAt))
  }

  /** No more than what is in use now, and was not after the last reading, can have become live. */
  #jsHeapGrew(): boolean {
    return getHeapStatistics().used_heap_size - this.#jsHeapFloor >= JS_HEAP_WORTH_BYTES
  }

  /** A reading that took long because another process had the CPU is no dear one: two in a row are. */
  #planJsHeap(nowMs: number): void {
    const { jsHeapMs } = this.#source
    const least = Math.min(jsHeapMs, this.#jsHeapMs)
    this.#jsHeapMs = jsHeapMs
    this.#jsHeapDueAt = nowMs + jsHeapPause(least, nowMs - this.#startedAt)
  }

  /**
   * What a site is, is said once, and what is on the JS heap only after it was read: both stay in the news until somebody
   * takes them, or the site is gone.
   */
  #tell({ sites, siteDefs }: SiteNews): void {
    const counted = new Set(sites.map(({ site }) => site))
    const untold = this.#news
    const before = (untold.sites ?? []).filter(({ site }) => !counted.has(site) && this.#table.has(site))
    const unsaid = (untold.siteDefs ?? []).filter(({ site }) => this.#table.has(site))
    this.#news = { sites: [...sites, ...before], siteDefs: [...unsaid, ...siteDefs] }
  }
}
