/**
 * From what the addon sampled to the columns of a profile: names are parsed, threads without a name are told by where
 * they began, and memory of ArrayBuffers is told from other malloc by who asked for it.
 */

import { basename } from 'node:path'
import { FRAME_CELLS, MODULE_CELLS, type RawSamples, TRACE_CELLS } from '../seam.js'
import { parseCodeName } from './code-name.js'
import { type Frame, PROFILE_OWNERS, type ProfileColumns, type ProfileMapping, type Sums } from './columns.js'
import type { ScriptPositions } from './script-positions.js'

const JS = 1
const NATIVE = 2
const EXECUTABLE = 0

/** What a profile knows besides what was sampled. */
export interface NativeContext {
  startedAt: number
  oldMs: number
  /** Names and kinds of regions by their id; [0] is no region. */
  regions: readonly string[]
  regionKinds: readonly ('' | 'cache')[]
  /** By the numbers in `traces`. */
  threads: readonly string[]
  /** Name of the thread whose regions those are: other threads count their own. */
  regionThread: string
  positions: ScriptPositions
  notes: readonly string[]
}

export function nativeColumns(raw: RawSamples, context: NativeContext): ProfileColumns {
  const { mappings, mappingOf } = readMappings(raw)
  const { frames, framesOf, roles } = readFrames(raw, mappingOf, context.positions)
  const rows = raw.traces.length / TRACE_CELLS.length
  const kept: number[] = []
  for (let i = 0; i < rows; i++) if (hasAnything(raw.traces, i * TRACE_CELLS.length)) kept.push(i)

  const n = kept.length
  const stackFrames = new Uint32Array(kept.reduce((length, row) => length + stackLength(raw, row, framesOf), 0))
  let used = 0
  const starts = new Uint32Array(n + 1)
  const threads = new Numbering()
  const columns: ProfileColumns = {
    startedAt: context.startedAt,
    durationMs: raw.seconds * 1000,
    intervalBytes: raw.interval,
    jsIntervalBytes: 0,
    jsHeapAt: 0,
    frames,
    stackFrames,
    starts,
    source: new Uint8Array(n),
    region: new Uint32Array(n),
    thread: new Uint16Array(n),
    partial: new Uint8Array(n),
    owner: new Uint8Array(n),
    allocated: sums(n),
    live: sums(n),
    old: sums(n),
    oldMs: context.oldMs,
    regions: context.regions,
    regionKinds: context.regionKinds,
    threads: threads.names,
    mappings,
    notes: context.notes,
  }
  kept.forEach((row, i) => {
    const at = row * TRACE_CELLS.length
    const first = raw.traces[at + TRACE_CELLS.first]!
    const end = first + raw.traces[at + TRACE_CELLS.frames]!
    let role = 0
    let owner = 0
    let below = true
    for (let f = first; f < end; f++) {
      const frame = raw.stack[f]!
      for (const number of framesOf[frame]!) stackFrames[used++] = number
      if (raw.frames[frame * FRAME_CELLS.length + FRAME_CELLS.kind] === JS) below = false
      if (below && roles[frame] === ARRAY_BUFFER) owner = ARRAY_BUFFERS
      if (roles[frame]! > ARRAY_BUFFER) role = roles[frame]!
    }
    starts[i + 1] = used
    const named = context.threads[raw.traces[at + TRACE_CELLS.thread]!] ?? ''
    const region = raw.traces[at + TRACE_CELLS.region]!
    columns.region[i] = named === context.regionThread && region < context.regions.length ? region : 0
    columns.thread[i] = threads.of(threadName(named, role))
    columns.partial[i] = raw.traces[at + TRACE_CELLS.flags]!
    columns.owner[i] = owner
    copySums(raw.traces, at + TRACE_CELLS.allocated, columns.allocated, i)
    copySums(raw.traces, at + TRACE_CELLS.live, columns.live, i)
    copySums(raw.traces, at + TRACE_CELLS.old, columns.old, i)
  })
  return columns
}

function stackLength(raw: RawSamples, row: number, framesOf: number[][]): number {
  const first = raw.traces[row * TRACE_CELLS.length + TRACE_CELLS.first]!
  const end = first + raw.traces[row * TRACE_CELLS.length + TRACE_CELLS.frames]!
  let length = 0
  for (let f = first; f < end; f++) length += framesOf[raw.stack[f]!]!.length
  return length
}

/** The executable's mapping comes first, as in pprof. Addresses count from the file's own zero. */
function readMappings(raw: RawSamples): { mappings: ProfileMapping[]; mappingOf: number[] } {
  const rows = raw.modules.length / MODULE_CELLS.length
  const order = Array.from({ length: rows }, (_, i) => i)
  const cell = (row: number, which: number) => raw.modules[row * MODULE_CELLS.length + which]!
  const isExecutable = (row: number) => cell(row, MODULE_CELLS.kind) === EXECUTABLE
  order.sort((a, b) => Number(isExecutable(b)) - Number(isExecutable(a)) || a - b)
  const mappingOf: number[] = []
  const mappings = order.map((row, i): ProfileMapping => {
    mappingOf[row] = i
    const bias = cell(row, MODULE_CELLS.bias)
    return {
      path: raw.strings[cell(row, MODULE_CELLS.path)] ?? '',
      buildId: raw.strings[cell(row, MODULE_CELLS.buildId)] ?? '',
      start: cell(row, MODULE_CELLS.start) - bias,
      end: cell(row, MODULE_CELLS.end) - bias,
      offset: 0,
    }
  })
  return { mappings, mappingOf }
}

// What a native frame tells of the trace that it is in.
const ARRAY_BUFFER = 1
const LIBUV_POOL = 2
const V8_WORKER = 3
const NODE_WORKER = 4

const ARRAY_BUFFERS = PROFILE_OWNERS.indexOf('array-buffers')

function roleOf(name: string): number {
  if (/ArrayBufferAllocator|\bBackingStore::|ArrayBuffer::Allocator|Buffer.*::UncheckedMalloc/.test(name))
    return ARRAY_BUFFER
  if (/^worker$|^uv__work|uv__threadpool/.test(name)) return LIBUV_POOL
  if (/PlatformWorkerThread|DelayedTaskScheduler|WorkerThreadsTaskRunner/.test(name)) return V8_WORKER
  if (/^node::worker::Worker::/.test(name)) return NODE_WORKER
  return 0
}

/** Pool threads of Node 20 have the process's name: what they were started with names them instead. */
function threadName(name: string, role: number): string {
  if (name === 'libuv-worker' || (name === '' && role === LIBUV_POOL)) return 'libuv pool'
  if (name !== '') return name
  if (role === V8_WORKER) return 'V8 platform worker'
  return role === NODE_WORKER ? 'worker' : 'other threads'
}

/** Raw frames may stand for two (a call that was inlined) or for none (an address that nobody knows). */
function readFrames(raw: RawSamples, mappingOf: number[], positions: ScriptPositions) {
  const rows = raw.frames.length / FRAME_CELLS.length
  const frames: Frame[] = []
  const framesOf: number[][] = []
  const roles = new Uint8Array(rows)
  const jsFrame = (name: number, position: number, inlined: boolean): number => {
    const { function: fn, file, line, column, kind } = parseCodeName(raw.strings[name] ?? '')
    const call = position >= 0 ? positions.find(file, position) : undefined
    frames.push({
      function: fn,
      file,
      line,
      column,
      ...(call && { call }),
      kind,
      inlined,
      mapping: -1,
      address: 0,
    })
    return frames.length - 1
  }
  for (let i = 0; i < rows; i++) {
    const at = i * FRAME_CELLS.length
    const cell = (which: number) => raw.frames[at + which]!
    const kind = cell(FRAME_CELLS.kind)
    const name = cell(FRAME_CELLS.name)
    if (kind === JS) {
      const inlined = cell(FRAME_CELLS.inlined)
      const position = cell(FRAME_CELLS.position)
      // The position is the innermost call's.
      framesOf[i] =
        inlined >= 0 ? [jsFrame(inlined, position, true), jsFrame(name, -1, false)] : [jsFrame(name, position, false)]
    } else if (kind === NATIVE) {
      const module = cell(FRAME_CELLS.module)
      const address = cell(FRAME_CELLS.address)
      const mapping = mappingOf[module] ?? -1
      const path = raw.strings[raw.modules[module * MODULE_CELLS.length + MODULE_CELLS.path]!] ?? ''
      const fn = raw.strings[name] ?? `${basename(path)}+0x${address.toString(16)}`
      roles[i] = roleOf(fn)
      frames.push({ function: fn, file: '', line: 0, column: 0, kind: 'native', inlined: false, mapping, address })
      framesOf[i] = raw.modules[module * MODULE_CELLS.length + MODULE_CELLS.own] === 1 ? [] : [frames.length - 1]
    } else {
      framesOf[i] = []
    }
  }
  return { frames, framesOf, roles }
}

function hasAnything(traces: Float64Array, at: number): boolean {
  return traces[at + TRACE_CELLS.allocated]! > 0 || traces[at + TRACE_CELLS.live]! > 0
}

function sums(n: number): Sums {
  return {
    count: new Float64Array(n),
    bytes: new Float64Array(n),
    countVariance: new Float64Array(n),
    bytesVariance: new Float64Array(n),
    samples: new Float64Array(n),
  }
}

function copySums(from: Float64Array, at: number, to: Sums, i: number): void {
  to.count[i] = from[at]!
  to.bytes[i] = from[at + 1]!
  to.countVariance[i] = from[at + 2]!
  to.bytesVariance[i] = from[at + 3]!
  to.samples[i] = from[at + 4]!
}

class Numbering {
  readonly names: string[] = []
  readonly #numbers = new Map<string, number>()

  of(name: string): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.names.push(name) - 1
      this.#numbers.set(name, number)
    }
    return number
  }
}
