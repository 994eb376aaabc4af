import { EventEmitter } from 'node:events'
import { TidemarkError } from '../errors.js'
import { type ProfileSource, SiteFeed } from '../profile/site-feed.js'
import { majorCollections, observeMajorGc } from '../readings/major-gc.js'
import { PeriodicReadings } from '../readings/periodic.js'
import { checkPid } from '../readings/pid.js'
import type { Reading } from '../readings/reading.js'
import { Detector } from './detector.js'
import type { Verdict } from './verdict.js'

export interface WatchOptions {
  /** Between two readings; 1,000 when absent, at least 10. */
  intervalMs?: number
  /** Another process; this one when absent. */
  pid?: number
  /**
   * A running profile of this process, from `profile.start()`: readings then carry `sites`, and the verdict names those that
   * grow. The watch takes snapshots of it, some seconds apart, and does not end it.
   */
  profile?: ProfileSource
  /** Ends the watch. */
  signal?: AbortSignal
}

export interface WatchEvents {
  reading: [Reading]
  /** The verdict, whenever its kind or the set of its causes has changed. */
  growth: [Verdict]
  /** A reading, or a snapshot of the profile, failed. A watch of this process goes on; of another one, it ends. Nothing is thrown without a listener. */
  error: [TidemarkError]
}

const DEFAULT_INTERVAL_MS = 1000
const MIN_INTERVAL_MS = 10
/** Readings that wait for a slow `for await`: enough for one that writes them somewhere and is held up at times. */
const MOST_WAITING = 16

function checkInterval(intervalMs: number): number {
  if (!(Number.isFinite(intervalMs) && intervalMs >= MIN_INTERVAL_MS && intervalMs <= 0x7fffffff)) {
    throw new TidemarkError(
      'ERR_TIDEMARK_ARGUMENT',
      `intervalMs must be a number of at least ${MIN_INTERVAL_MS}, not ${String(intervalMs)}`,
    )
  }
  return intervalMs
}

function signature(verdict: Verdict): string {
  return [verdict.kind, ...verdict.causes.map((cause) => `${cause.owner}:${cause.kind}`).sort()].join(' ')
}

/** A running watch: see `watch()`. Ends with `stop()`, its signal, or the end of the other process. */
export class Watch implements AsyncIterable<Reading>, Disposable {
  readonly #events = new EventEmitter()
  readonly #detector = new Detector()
  readonly #ended = new AbortController()
  readonly #pid: number | undefined
  readonly #intervalMs: number
  #stopGc: () => void = () => {}
  #sites: SiteFeed | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #readings: PeriodicReadings
  #collections = majorCollections().count
  #said = 'unknown'
  #failure: TidemarkError | null = null

  constructor(options: WatchOptions = {}) {
    this.#intervalMs = checkInterval(options.intervalMs ?? DEFAULT_INTERVAL_MS)
    this.#pid = checkPid(options.pid) === 0 ? undefined : options.pid
    this.#readings = new PeriodicReadings(this.#pid)
    if (options.profile && this.#pid !== undefined) {
      throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', 'a profile is of this process: leave out pid, or profile')
    }
    options.signal?.throwIfAborted()
    options.signal?.addEventListener('abort', () => this.stop(), { signal: this.#ended.signal })
    if (this.#pid === undefined) this.#stopGc = observeMajorGc()
    if (options.profile)
      this.#sites = new SiteFeed(options.profile, (error) => this.#fail('a snapshot of the profile', error))
    this.#schedule(0)
  }

  on<E extends keyof WatchEvents>(event: E, listener: (...args: WatchEvents[E]) => void): this {
    this.#events.on(event, listener as (...args: unknown[]) => void)
    return this
  }

  off<E extends keyof WatchEvents>(event: E, listener: (...args: WatchEvents[E]) => void): this {
    this.#events.off(event, listener as (...args: unknown[]) => void)
    return this
  }

  /** What the readings so far say. */
  verdict(): Verdict {
    return this.#detector.verdict()
  }

  stop(): void {
    if (this.#ended.signal.aborted) return
    clearTimeout(this.#timer)
    this.#stopGc()
    this.#sites?.stop()
    this.#ended.abort()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  /**
   * Readings from now on, until the watch ends. A loop slower than the interval gets the latest 16 and misses those before.
   * Throws what ended a watch of another process, and nothing else: what a watch survives is an `error` event only.
   */
  async *[Symbol.asyncIterator](): AsyncIterator<Reading> {
    const waiting: Reading[] = []
    let wake = () => {}
    const add = (reading: Reading) => {
      if (waiting.push(reading) > MOST_WAITING) waiting.shift()
      wake()
    }
    const ended = this.#ended.signal
    const end = () => wake()
    // Not events.on(): it takes every 'error' for the end, and its queue has no bound.
    this.#events.on('reading', add)
    ended.addEventListener('abort', end)
    try {
      while (!ended.aborted || this.#failure !== null) {
        const reading = waiting.shift()
        if (reading !== undefined) yield reading
        else if (this.#failure !== null) throw this.#failure
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      this.#events.off('reading', add)
      ended.removeEventListener('abort', end)
    }
  }

  /** The next reading is due `intervalMs` after this one began, so the cadence does not drift with its length. */
  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      const began = performance.now()
      this.#read().finally(() => {
        if (this.#ended.signal.aborted) return
        this.#schedule(Math.max(1, this.#intervalMs - (performance.now() - began)))
      })
    }, delayMs)
    this.#timer.unref()
  }

  async #read(): Promise<void> {
    let reading: Reading
    try {
      reading = await this.#readings.next()
    } catch (error) {
      this.#fail('a reading', error)
      return
    }
    if (this.#ended.signal.aborted) return
    if (this.#pid === undefined) this.#addCollections(reading)
    if (this.#sites) Object.assign(reading, this.#sites.take())
    this.#detector.add(reading)
    this.#events.emit('reading', reading)
    this.#sayGrowth()
  }

  #addCollections(reading: Reading): void {
    const { count, usedAfter } = majorCollections()
    if (count > this.#collections) reading.majorGc = { count: count - this.#collections, usedAfter }
    this.#collections = count
  }

  #sayGrowth(): void {
    if (this.#events.listenerCount('growth') === 0) return
    const verdict = this.#detector.verdict()
    const now = signature(verdict)
    if (now === this.#said) return
    this.#said = now
    this.#events.emit('growth', verdict)
  }

  #fail(what: string, error: unknown): void {
    const failure =
      error instanceof TidemarkError
        ? error
        : new TidemarkError('ERR_TIDEMARK_PROC_READ', `${what} failed: ${String(error)}`, { cause: error })
    if (this.#pid !== undefined) this.#failure = failure
    // An 'error' event without a listener would be thrown, in a timer, in the service that we watch.
    if (this.#events.listenerCount('error') > 0) this.#events.emit('error', failure)
    if (this.#pid !== undefined) this.stop()
  }
}

/**
 * Reads a process periodically and judges its growth: this process, or another by pid. Emits `reading` and `growth`, and
 * can be iterated with `for await`. Never keeps the process alive. In fixed memory, for as long as the process runs.
 * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT`
 */
export function watch(options: WatchOptions = {}): Watch {
  return new Watch(options)
}
