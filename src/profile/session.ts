/** Profiles of this process: one session at a time, because the hooks and V8's sampler are the process's. */

import { constants } from 'node:os'
import { addonProblem, binding } from '../binding.js'
import { TidemarkError } from '../errors.js'
import { setSampledBuffers } from '../readings/array-buffers.js'
import { procError } from '../readings/proc-error.js'
import { type RegionMemory, regionIds, setRegionMemory } from '../regions/memory.js'
import { type RawSamples, REGION_CELLS, type SamplingStatus } from '../seam.js'
import { codeNamesNote, listenToCode, STACKS_WORK, stacksStatus, testStacks } from './code-names.js'
import type { ProfileColumns } from './columns.js'
import { JsHeapSampler } from './js-heap.js'
import { merge } from './merge.js'
import { FrameNames, nativeSamples } from './native-sampler.js'
import { Profile } from './profile.js'
import { ScriptPositions } from './script-positions.js'
import { applySourceMaps, sourceMapProblems } from './source-maps.js'
import { THIS_THREAD } from './this-thread.js'
import { Turns } from './turns.js'

const DEFAULT_INTERVAL = 512 << 10
const LEAST_INTERVAL = 4 << 10
const MOST_INTERVAL = 1 << 30
const LIVE_CAPACITY = 32768

/**
 * The JS heap leaks in smaller pieces than native memory does: a few tens of MiB are the whole growth, and at a sample for each
 * 512 KiB they say little of who caused it. A sample costs about 4 µs, so this is 0.4 % of a CPU for each 100 MB/s of garbage.
 */
const JS_SAMPLES_FOR_EACH = 4

/** Blocks younger than that are set aside when leaks are looked for: most memory is freed within one request. */
const OLD_MS = 2000

/** Samples of blocks that did not live long, and their share of all, that are not worth a new snapshot. */
const FEW_SAMPLES = 64
const FEW_SHARE = 1 / 20

export interface ProfileOptions {
  /** Mean bytes of native memory between samples, 4 KiB to 1 GiB; 512 KiB unless given. */
  intervalBytes?: number
  /** Whether V8's own sampler runs too; true unless given. */
  jsHeap?: boolean
  /** Mean bytes of JS heap between samples; a quarter of `intervalBytes` unless given. */
  jsIntervalBytes?: number
  /**
   * Also names JavaScript functions that were compiled before the session, where tidemark was not there from the start:
   * it stops this thread for about 1 s per GiB of JS heap. Heaps below 64 MiB are walked without asking.
   */
  nameExistingCode?: boolean
}

export interface SnapshotOptions {
  /**
   * Whether the JS heap is read anew, true unless given. V8 collects its whole heap for that, on this thread: about 0.5 ms
   * for each MiB that lives. Otherwise the profile holds what the last reading found.
   */
  jsHeap?: boolean
  /**
   * Whether stacks of which nothing lives are left out, false unless given: of a service that has run for long those are most,
   * and the price of a snapshot.
   */
  onlyLive?: boolean
  /**
   * An earlier snapshot of this session, which is given again where this one would say nearly the same. Making one anew allocates
   * more than an idle process does. The same old blocks of native memory must live as then, little must have been allocated since
   * unless only what lives is asked for, and the JS heap must not have been read, nor be asked for.
   */
  since?: { readonly columns: ProfileColumns }
}

export interface ProfileSession extends AsyncDisposable {
  /** What was allocated since the session began, and what of it lives now. Rejects after `stop()`. */
  snapshot(options?: SnapshotOptions): Promise<Profile>
  /** A last snapshot; afterwards nothing is hooked and nothing is sampled. The same profile when called again. */
  stop(): Promise<Profile>
  /** How long the last reading of the JS heap held this thread, ms; 0 before the first. */
  readonly jsHeapMs: number
  /** Changes the sampling interval while it runs; what was sampled keeps its weight. */
  setInterval(bytes: number): void
}

export const profile = {
  /**
   * Starts to sample allocations of this process: native memory of all threads, and the JS heap of this one.
   * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT`; `ERR_TIDEMARK_PROFILE_RUNNING` while another session runs;
   *   `ERR_TIDEMARK_UNSUPPORTED` where there is no addon, or no malloc that can be hooked
   */
  start(options: ProfileOptions = {}): ProfileSession {
    const { intervalBytes = DEFAULT_INTERVAL } = options
    checkInterval('intervalBytes', intervalBytes)
    if (options.jsIntervalBytes !== undefined) checkInterval('jsIntervalBytes', options.jsIntervalBytes)
    return startProfile({ ...options, intervalBytes })
  },
} as const

/** Without the floor of the public option: tests take every block. */
export function startProfile(options: ProfileOptions & { liveCapacity?: number }): ProfileSession {
  return new Session(options)
}

class Session implements ProfileSession {
  readonly #startedAt = Date.now()
  readonly #positions = new ScriptPositions()
  readonly #names = new FrameNames()
  readonly #js: JsHeapSampler | undefined
  /** Bytes of ArrayBuffers that were there when it began. */
  readonly #countedBefore = process.memoryUsage().arrayBuffers
  #jsColumns: ProfileColumns | undefined
  #memory: ReadonlyMap<string, RegionMemory> = new Map()
  #stopping: Promise<Profile> | undefined
  /** By snapshot. */
  readonly #made = new WeakMap<object, Made>()

  constructor(options: ProfileOptions & { liveCapacity?: number }) {
    const { intervalBytes = DEFAULT_INTERVAL, liveCapacity = LIVE_CAPACITY } = options
    listenToCode(options.nameExistingCode ? 'always' : 'small')
    const errno = binding.startSampling(intervalBytes, liveCapacity)
    if (errno !== 0) throw startError(errno)
    testStacks()
    if (options.jsHeap ?? true) {
      this.#js = new JsHeapSampler()
      this.#js.start(options.jsIntervalBytes ?? Math.ceil(intervalBytes / JS_SAMPLES_FOR_EACH))
    }
    setRegionMemory(() => this.#regionMemory())
  }

  get jsHeapMs(): number {
    return this.#js?.readMs ?? 0
  }

  async snapshot({ jsHeap = true, onlyLive = false, since }: SnapshotOptions = {}): Promise<Profile> {
    if (this.#stopping) {
      throw new TidemarkError('ERR_TIDEMARK_PROFILE_STOPPED', 'this session has been stopped: stop() gave its profile')
    }
    const made = since && this.#made.get(since)
    if (made === undefined || made.onlyLive !== onlyLive || hasChanged(made)) return this.#take(jsHeap, onlyLive)
    return jsHeap || made.js !== this.#jsColumns ? this.#complete(made, jsHeap) : made.profile
  }

  stop(): Promise<Profile> {
    this.#stopping ??= this.#finish()
    return this.#stopping
  }

  setInterval(bytes: number): void {
    checkInterval('bytes', bytes)
    binding.setSamplingInterval(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #finish(): Promise<Profile> {
    try {
      return await this.#take(true, false)
    } finally {
      setRegionMemory(null)
      setSampledBuffers(undefined)
      binding.stopSampling()
      this.#js?.stop()
    }
  }

  #regionMemory(): ReadonlyMap<string, RegionMemory> {
    const rows = binding.readRegionSums()
    if (rows !== null) this.#memory = toRegionMemory(rows, binding.threadNames())
    return this.#memory
  }

  async #take(jsHeap: boolean, onlyLive: boolean): Promise<Profile> {
    const seen = seenSoFar()
    let raw: RawSamples
    try {
      raw = await (onlyLive ? binding.readLiveSamples(OLD_MS) : binding.readSamples(OLD_MS))
    } catch (failure) {
      throw procError(failure, 0)
    }
    const { names: regions, kinds: regionKinds } = regionIds()
    const { arrayBuffers: counted } = process.memoryUsage()
    const { columns: native, buffers } = await nativeSamples(raw, {
      startedAt: this.#startedAt,
      oldMs: OLD_MS,
      regions,
      regionKinds,
      threads: binding.threadNames(),
      regionThread: THIS_THREAD,
      positions: this.#positions,
      names: this.#names,
      notes: notes(binding.samplingStatus()),
    })
    if (binding.samplingStatus().running) setSampledBuffers({ ...buffers, counted, unseen: this.#countedBefore })
    return this.#complete({ native, seen, onlyLive }, jsHeap)
  }

  async #complete(made: Pick<Made, 'native' | 'seen' | 'onlyLive'>, jsHeap: boolean): Promise<Profile> {
    if (jsHeap && this.#js) this.#jsColumns = await this.#js.read({ oldMs: OLD_MS })
    // The event loop has waited for V8 already.
    await new Turns().next()
    const js = this.#jsColumns
    const columns = js ? merge([made.native, js]) : made.native
    const frames = await applySourceMaps(columns.frames)
    const profile = new Profile({ ...columns, frames, notes: [...columns.notes, ...sourceMapProblems()] })
    this.#made.set(profile, { native: made.native, seen: made.seen, onlyLive: made.onlyLive, js, profile })
    return profile
  }
}

/** How a snapshot was made. */
interface Made {
  profile: Profile
  onlyLive: boolean
  native: ProfileColumns
  js: ProfileColumns | undefined
  /** Just before it. */
  seen: Seen
}

/** What the sampler had seen. */
interface Seen {
  /** As of binding.oldBlocks(). */
  oldBlocks: number
  samples: number
}

function seenSoFar(): Seen {
  return { oldBlocks: binding.oldBlocks(OLD_MS), samples: binding.samplingStatus().samples }
}

function hasChanged({ seen, onlyLive }: Made): boolean {
  const { oldBlocks, samples } = seenSoFar()
  const few = onlyLive ? Number.POSITIVE_INFINITY : Math.max(FEW_SAMPLES, seen.samples * FEW_SHARE)
  return oldBlocks !== seen.oldBlocks || samples - seen.samples > few
}

/** By name: what the regions of this thread have allocated. Those of other threads count their own. */
function toRegionMemory(rows: Float64Array, threads: readonly string[]): Map<string, RegionMemory> {
  const { names } = regionIds()
  const memory = new Map<string, RegionMemory>()
  for (let at = 0; at < rows.length; at += REGION_CELLS.length) {
    const name = names[rows[at + REGION_CELLS.region]!]
    if (!name || threads[rows[at + REGION_CELLS.thread]!] !== THIS_THREAD) continue
    memory.set(name, {
      allocated: rows[at + REGION_CELLS.allocated]!,
      live: rows[at + REGION_CELLS.live]!,
      allocatedError: Math.sqrt(rows[at + REGION_CELLS.allocatedVariance]!),
      liveError: Math.sqrt(rows[at + REGION_CELLS.liveVariance]!),
    })
  }
  return memory
}

function notes(status: SamplingStatus): string[] {
  const said: string[] = []
  const code = codeNamesNote()
  if (code !== null) said.push(code)
  if (stacksStatus() !== STACKS_WORK) said.push(stacksStatus())
  if (status.dropped > 0)
    said.push(`${status.dropped} of ${status.samples + status.dropped} samples were lost: tables were full or busy`)
  if (status.thinned > 0)
    said.push(
      `the sampling interval was doubled ${status.thinned} times, because more blocks lived than there is room for`,
    )
  if (status.overflows > 0)
    said.push(`${status.overflows} samples have no stack: there were more stacks than there is room for`)
  for (const { object, reason } of status.unpatched) said.push(`allocations of ${object} are not seen: ${reason}`)
  return said
}

function startError(errno: number): TidemarkError {
  if (errno === constants.errno.EALREADY) {
    return new TidemarkError(
      'ERR_TIDEMARK_PROFILE_RUNNING',
      'a profile of this process is being taken already: use its session, or stop it first',
    )
  }
  if (errno === constants.errno.ENOSYS) {
    return new TidemarkError('ERR_TIDEMARK_UNSUPPORTED', addonProblem ?? 'no malloc was found that could be hooked')
  }
  if (errno === constants.errno.ENOMEM || errno === constants.errno.EAGAIN) {
    const what = errno === constants.errno.ENOMEM ? 'memory' : 'a thread'
    return new TidemarkError(
      'ERR_TIDEMARK_UNSUPPORTED',
      `the profiler could not get ${what}: the limits of this process or its container leave no room`,
    )
  }
  return procError({ errno, what: '/proc/self/maps', line: 0 }, 0)
}

function checkInterval(name: string, bytes: unknown): asserts bytes is number {
  if (Number.isInteger(bytes) && (bytes as number) >= LEAST_INTERVAL && (bytes as number) <= MOST_INTERVAL) return
  throw new TidemarkError(
    'ERR_TIDEMARK_ARGUMENT',
    `${name} is a whole number of bytes from ${LEAST_INTERVAL} to ${MOST_INTERVAL}, not ${String(bytes)}`,
  )
}
