/**
 * From what the addon sampled to the columns of a profile: names are parsed, threads without a name are told by where
 * they began, and memory of ArrayBuffers is told from other malloc by who asked for it.
 */

import { basename } from 'node:path'
import { FRAME_CELLS, MODULE_CELLS, type RawSamples, TRACE_CELLS } from '../seam.js'
import { type CodeName, parseCodeName } from './code-name.js'
import { type Frame, PROFILE_OWNERS, type ProfileColumns, type ProfileMapping, type Sums } from './columns.js'
import type { ScriptPositions } from './script-positions.js'
import { Turns } from './turns.js'

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
  /** Kept from one snapshot to the next, as most names come again. */
  names: FrameNames
  notes: readonly string[]
}

/** Between two looks at the clock: a quarter of a millisecond, in code that is not compiled yet a few. */
const FRAMES_AT_ONCE = 256
const TRACES_AT_ONCE = 128

export interface NativeSamples {
  columns: ProfileColumns
  /** Memory of ArrayBuffers that lives and was touched, and one standard error; bytes. */
  buffers: { resident: number; standardError: number }
}

/** In slices of some milliseconds, between which the event loop turns: 20,000 stacks have 600,000 frames. */
export async function nativeSamples(raw: RawSamples, context: NativeContext): Promise<NativeSamples> {
  const turns = new Turns()
  const { mappings, mappingOf } = readMappings(raw)
  const reader = new FrameReader(raw, mappingOf, context)
  while (reader.advance(FRAMES_AT_ONCE)) if (turns.over) await turns.next()
  const { frames, first, second, roles } = reader

  const rows = raw.traces.length / TRACE_CELLS.length
  const kept: number[] = []
  let length = 0
  for (let row = 0; row < rows; row++) {
    if (row % TRACES_AT_ONCE === 0 && turns.over) await turns.next()
    if (!hasAnything(raw.traces, row * TRACE_CELLS.length)) continue
    kept.push(row)
    length += stackLength(raw, row, reader)
  }

  const n = kept.length
  const stackFrames = new Uint32Array(length)
  let used = 0
  const starts = new Uint32Array(n + 1)
  const threads = new Numbering()
  const buffers = { resident: 0, variance: 0 }
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
  for (let i = 0; i < n; i++) {
    if (i % TRACES_AT_ONCE === 0 && turns.over) await turns.next()
    const at = kept[i]! * TRACE_CELLS.length
    const from = raw.traces[at + TRACE_CELLS.first]!
    const to = from + raw.traces[at + TRACE_CELLS.frames]!
    let role = 0
    let owner = 0
    let below = true
    for (let f = from; f < to; f++) {
      const frame = raw.stack[f]!
      if (first[frame]! !== NO_FRAME) stackFrames[used++] = first[frame]!
      if (second[frame]! !== NO_FRAME) stackFrames[used++] = second[frame]!
      const told = roles[frame]!
      if (told === SCRIPT) below = false
      else if (told === ARRAY_BUFFER && below) owner = ARRAY_BUFFERS
      else if (told > ARRAY_BUFFER) role = told
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
    if (owner !== ARRAY_BUFFERS) continue
    buffers.resident += raw.traces[at + TRACE_CELLS.liveResident]!
    buffers.variance += columns.live.bytesVariance[i]!
  }
  return { columns, buffers: { resident: buffers.resident, standardError: Math.sqrt(buffers.variance) } }
}

function stackLength(raw: RawSamples, row: number, { first, second }: FrameReader): number {
  const from = raw.traces[row * TRACE_CELLS.length + TRACE_CELLS.first]!
  const to = from + raw.traces[row * TRACE_CELLS.length + TRACE_CELLS.frames]!
  let length = 0
  for (let f = from; f < to; f++) {
    const frame = raw.stack[f]!
    if (first[frame]! !== NO_FRAME) length++
    if (second[frame]! !== NO_FRAME) length++
  }
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

// What a frame tells of the trace that it is in.
const SCRIPT = 1
const ARRAY_BUFFER = 2
const LIBUV_POOL = 3
const V8_WORKER = 4
const NODE_WORKER = 5

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

const MOST_NAMES = 1 << 16

/** What names say, read once for each: a snapshot has most of the names of the one before. */
export class FrameNames {
  readonly #scripts = new Map<string, CodeName>()
  readonly #roles = new Map<string, number>()

  script(name: string): CodeName {
    return remembered(this.#scripts, name, parseCodeName)
  }

  role(name: string): number {
    return remembered(this.#roles, name, roleOf)
  }
}

function remembered<T>(known: Map<string, T>, name: string, read: (name: string) => T): T {
  let answer = known.get(name)
  if (answer === undefined) {
    answer = read(name)
    if (known.size >= MOST_NAMES) known.clear()
    known.set(name, answer)
  }
  return answer
}

const NO_FRAME = -1

/** Raw frames may stand for two (a call that was inlined) or for none (an address that nobody knows). */
class FrameReader {
  readonly frames: Frame[] = []
  /** By raw frame: its frames, and what it tells. */
  readonly first: Int32Array
  readonly second: Int32Array
  readonly roles: Uint8Array
  readonly #raw: RawSamples
  readonly #mappingOf: number[]
  readonly #positions: ScriptPositions
  readonly #names: FrameNames
  readonly #rows: number
  #row = 0

  constructor(raw: RawSamples, mappingOf: number[], { positions, names }: NativeContext) {
    this.#raw = raw
    this.#mappingOf = mappingOf
    this.#positions = positions
    this.#names = names
    this.#rows = raw.frames.length / FRAME_CELLS.length
    this.first = new Int32Array(this.#rows).fill(NO_FRAME)
    this.second = new Int32Array(this.#rows).fill(NO_FRAME)
    this.roles = new Uint8Array(this.#rows)
  }

  /** Reads so many more; false when there are no more. */
  advance(count: number): boolean {
    const end = Math.min(this.#rows, this.#row + count)
    for (; this.#row < end; this.#row++) {
      const kind = this.#cell(FRAME_CELLS.kind)
      if (kind === JS) this.#script()
      else if (kind === NATIVE) this.#native()
    }
    return end < this.#rows
  }

  #cell(which: number): number {
    return this.#raw.frames[this.#row * FRAME_CELLS.length + which]!
  }

  #script(): void {
    const name = this.#cell(FRAME_CELLS.name)
    const inlined = this.#cell(FRAME_CELLS.inlined)
    const position = this.#cell(FRAME_CELLS.position)
    this.roles[this.#row] = SCRIPT
    // The position is the innermost call's.
    this.first[this.#row] = this.#scriptFrame(inlined >= 0 ? inlined : name, position, inlined >= 0)
    if (inlined >= 0) this.second[this.#row] = this.#scriptFrame(name, -1, false)
  }

  #scriptFrame(string: number, position: number, inlined: boolean): number {
    const { function: name, file, line, column, kind } = this.#names.script(this.#raw.strings[string] ?? '')
    const call = position >= 0 ? this.#positions.find(file, position) : undefined
    const frame: Frame = { function: name, file, line, column, kind, inlined, mapping: -1, address: 0 }
    if (call) frame.call = call
    return this.frames.push(frame) - 1
  }

  #native(): void {
    const { modules, strings } = this.#raw
    const at = this.#cell(FRAME_CELLS.module) * MODULE_CELLS.length
    const address = this.#cell(FRAME_CELLS.address)
    const path = strings[modules[at + MODULE_CELLS.path]!] ?? ''
    const name = strings[this.#cell(FRAME_CELLS.name)] ?? `${basename(path)}+0x${address.toString(16)}`
    this.roles[this.#row] = this.#names.role(name)
    if (modules[at + MODULE_CELLS.own] === 1) return
    const mapping = this.#mappingOf[this.#cell(FRAME_CELLS.module)] ?? -1
    const frame: Frame = {
      function: name,
      file: '',
      line: 0,
      column: 0,
      kind: 'native',
      inlined: false,
      mapping,
      address,
    }
    this.first[this.#row] = this.frames.push(frame) - 1
  }
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
