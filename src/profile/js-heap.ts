/**
 * What lives on the JS heap of this thread, by the stacks that allocated it: V8's own sampler, reached through node:inspector.
 *
 * - Reading makes V8 collect the whole heap first, about 0.5 ms for each MiB that lives, on this thread, and no flag of the
 *   inspector avoids it: read when somebody asks, not on a timer. `readMs` tells what the last reading took.
 * - There is one sampler to a thread. A second session that starts it changes nothing, one that stops it stops it for all:
 *   ours then begins anew and says so; one that ran before ours is read along, and left running.
 * - V8 knows what lives, not what was ever allocated, and of each frame where its function begins, not the call in it.
 * - It knows no regions: a trace is in that of its innermost function that was wrapped (region-frames.ts).
 * - Its sums of a stack are scaled already, but by rounded weights: they are taken apart (v8-samples.ts) and made exact.
 */

import { performance } from 'node:perf_hooks'
import { regionIds } from '../regions/memory.js'
import { functionName, scriptPath } from './code-name.js'
import { type Frame, PROFILE_OWNERS, type ProfileColumns } from './columns.js'
import { ColumnsBuilder, type TraceSums, UNKNOWN_SUMS } from './columns-builder.js'
import { learnRegions, regionOf } from './region-frames.js'
import { THIS_THREAD } from './this-thread.js'
import { type Sample, tellingInterval, weighSamples } from './v8-samples.js'

const JS = 1
const TRUNCATED = 2
const JS_HEAP = PROFILE_OWNERS.indexOf('js-heap')

/** V8's own, and the inspector of Node 20 cannot change it. */
const MOST_FRAMES = 128

/** Among so many samples one is of a small object, which stands for hardly more than the interval. */
const ENOUGH_SAMPLES = 50
const FAR_OFF = 1.5

const ALREADY = 'V8 was sampling the JS heap already, for an inspector session or --heap-prof: that sampler is read'
const STOPPED =
  'an inspector session stopped the sampling of the JS heap: what was allocated before is not in the profile'

/** What of node:inspector is used; its types are not those of all the versions of Node that run this. */
interface InspectorSession {
  connect(): void
  disconnect(): void
  post(method: string, parameters: object, done: (error: Error | null, result: unknown) => void): void
}

interface HeapProfile {
  head: HeapNode
  samples: { size: number; nodeId: number; ordinal: number }[]
}

interface HeapNode {
  id: number
  callFrame: { functionName: string; scriptId: string; url: string; lineNumber: number; columnNumber: number }
  selfSize: number
  children: HeapNode[]
}

const EMPTY: HeapProfile = {
  head: {
    id: 0,
    callFrame: { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 },
    selfSize: 0,
    children: [],
  },
  samples: [],
}

export class JsHeapSampler {
  #session: InspectorSession | undefined
  #interval = 0
  /** Somebody else started the sampler, with an interval that only its samples tell. */
  #borrowed = false
  #startedAt = 0
  #startedMs = 0
  #notes: string[] = []
  #readMs = 0
  /** Highest number of a sample that was there at a time; V8 numbers them as they are taken. */
  #seen: { ms: number; ordinal: number }[] = []

  /** How long the last reading held this thread, most of it for a garbage collection. */
  get readMs(): number {
    return this.#readMs
  }

  /** Begins to sample. Does not throw: where there is no sampler, what is read is empty and its notes say why. */
  start(intervalBytes: number): void {
    this.stop()
    this.#interval = tellingInterval(intervalBytes)
    this.#startedAt = Date.now()
    this.#startedMs = performance.now()
    this.#notes = []
    try {
      this.#session = openSession()
      this.#borrowed = this.#running()
      if (this.#borrowed) this.#notes.push(ALREADY)
      else this.#begin()
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** What lives now, as one profile with a trace for each stack. `oldMs` counts in steps of the readings before this one. */
  async read({ oldMs = 2000 }: { oldMs?: number } = {}): Promise<ProfileColumns> {
    const before = performance.now()
    const profile = this.#take()
    this.#learnRegions()
    this.#readMs = performance.now() - before
    return this.#columns(profile, oldMs, before)
  }

  /** Ends sampling; V8 forgets all samples. */
  stop(): void {
    const session = this.#session
    this.#session = undefined
    this.#seen = []
    // This stops what the session began, and only that. `stopSampling` would make a profile first, with its collection.
    session?.disconnect()
  }

  #begin(): void {
    call(this.#session!, 'HeapProfiler.startSampling', { samplingInterval: this.#interval })
  }

  #running(): boolean {
    try {
      call(this.#session!, 'HeapProfiler.getSamplingProfile')
      return true
    } catch {
      return false
    }
  }

  #giveUp(error: unknown): void {
    this.#session?.disconnect()
    this.#session = undefined
    this.#notes.push(`the JS heap is not sampled: ${error instanceof Error ? error.message : String(error)}`)
  }

  #take(): HeapProfile | undefined {
    if (this.#session === undefined) return undefined
    try {
      return (call(this.#session, 'HeapProfiler.getSamplingProfile') as { profile: HeapProfile }).profile
    } catch {
      if (!this.#notes.includes(STOPPED)) this.#notes.push(STOPPED)
      this.#borrowed = false
      this.#seen = []
    }
    try {
      this.#begin()
      return EMPTY
    } catch (error) {
      this.#giveUp(error)
      return undefined
    }
  }

  /** What cannot be learned leaves traces outside every region. */
  #learnRegions(): void {
    const session = this.#session
    if (session === undefined) return
    try {
      learnRegions((method, parameters) => call(session, method, parameters))
    } catch (error) {
      const problem = `the JS heap is not told by region: ${error instanceof Error ? error.message : String(error)}`
      if (!this.#notes.includes(problem)) this.#notes.push(problem)
    }
  }

  #columns(profile: HeapProfile | undefined, oldMs: number, nowMs: number): ProfileColumns {
    const traces = new ColumnsBuilder()
    const frames: Frame[] = []
    if (profile) {
      this.#checkInterval(profile)
      const oldest = this.#oldest(profile, oldMs, nowMs)
      const samplesOf = byNode(profile.samples)
      walk(profile.head, frames, (node, stack, region) => {
        const samples = samplesOf.get(node.id)
        if (samples === undefined) return
        const products = samples.map(({ size }) => size)
        const weighed = weighSamples(products, node.selfSize, this.#interval)
        traces.add({
          stack,
          source: JS,
          region,
          thread: 0,
          partial: stack.length >= MOST_FRAMES ? TRUNCATED : 0,
          owner: JS_HEAP,
          allocated: UNKNOWN_SUMS,
          live: sum(weighed),
          old: sum(weighed.filter((_, i) => samples[i]!.ordinal <= oldest)),
        })
      })
    }
    const { names: regions, kinds: regionKinds } = regionIds()
    return traces.finish({
      startedAt: this.#startedAt,
      durationMs: nowMs - this.#startedMs,
      intervalBytes: 0,
      jsIntervalBytes: profile ? this.#interval : 0,
      jsHeapAt: profile ? Date.now() : 0,
      frames,
      oldMs,
      regions,
      regionKinds,
      threads: [THIS_THREAD],
      mappings: [],
      notes: [...this.#notes],
    })
  }

  /** V8 ignores the interval that is asked of a sampler that runs, but no sample of it stands for less than its own. */
  #checkInterval({ samples }: HeapProfile): void {
    const least = samples.reduce((least, { size }) => Math.min(least, size), Number.POSITIVE_INFINITY)
    const tooLong = this.#borrowed && samples.length >= ENOUGH_SAMPLES && least > this.#interval * FAR_OFF
    if (least < this.#interval || tooLong) this.#interval = least
  }

  /** The number of the last sample that was there `oldMs` ago, and for the next readings of the last one now. */
  #oldest({ samples }: HeapProfile, oldMs: number, nowMs: number): number {
    while (this.#seen.length > 1 && this.#seen[1]!.ms <= nowMs - oldMs) this.#seen.shift()
    const first = this.#seen[0]
    const ordinal = samples.reduce((most, { ordinal }) => Math.max(most, ordinal), 0)
    this.#seen.push({ ms: nowMs, ordinal })
    return first !== undefined && first.ms <= nowMs - oldMs ? first.ordinal : 0
  }
}

function openSession(): InspectorSession {
  // Throws in a build without the inspector, and connect() where the permission model forbids it.
  const { Session } = process.getBuiltinModule('node:inspector')
  const session = new Session() as unknown as InspectorSession
  session.connect()
  return session
}

/** A session on its own thread answers before `post` returns. */
function call(session: InspectorSession, method: string, parameters: object = {}): unknown {
  let answer: unknown
  let problem: Error | null = new Error(`${method} gave no answer`)
  session.post(method, parameters, (error, result) => {
    problem = error
    answer = result
  })
  if (problem !== null) throw problem
  return answer
}

function byNode(samples: HeapProfile['samples']): Map<number, HeapProfile['samples']> {
  const groups = new Map<number, HeapProfile['samples']>()
  for (const sample of samples) {
    const group = groups.get(sample.nodeId)
    if (group === undefined) groups.set(sample.nodeId, [sample])
    else group.push(sample)
  }
  return groups
}

/** Calls `visit` for each node below the root with its stack, leaf first, whose frames are put into `frames`, and its region. */
function walk(root: HeapNode, frames: Frame[], visit: (node: HeapNode, stack: number[], region: number) => void): void {
  const known = new Map<string, number>()
  const open = root.children.map((node) => ({ node, stack: [] as number[], region: 0 }))
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const frame = toFrame(at.node)
    const key = `${frame.line}:${frame.column}:${frame.kind}:${frame.file}\0${frame.function}`
    let number = known.get(key)
    if (number === undefined) {
      number = frames.push(frame) - 1
      known.set(key, number)
    }
    const stack = [number, ...at.stack]
    const region = regionOf(at.node.callFrame) ?? at.region
    visit(at.node, stack, region)
    for (const node of at.node.children) open.push({ node, stack, region })
  }
}

/** Positions count from 0, and are -1 where there is no script: V8's builtins, and `(GC)`, `(V8 API)` where no function ran. */
function toFrame({ callFrame }: HeapNode): Frame {
  const [line, column] = [callFrame.lineNumber + 1, callFrame.columnNumber + 1]
  return {
    function: functionName(callFrame.functionName, line, column),
    file: scriptPath(callFrame.url),
    line,
    column,
    kind: callFrame.scriptId === '0' ? 'native' : 'js',
    inlined: false,
    mapping: -1,
    address: 0,
  }
}

function sum(samples: readonly Sample[]): TraceSums {
  const sums = { count: 0, bytes: 0, countVariance: 0, bytesVariance: 0, samples: samples.length }
  for (const sample of samples) {
    sums.count += sample.count
    sums.bytes += sample.bytes
    sums.countVariance += sample.countVariance
    sums.bytesVariance += sample.bytesVariance
  }
  return sums
}
