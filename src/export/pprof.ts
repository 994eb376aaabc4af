/**
 * A profile as pprof: what `go tool pprof`, Pyroscope, Polar Signals and others read. Holds every frame, all four values,
 * and what each sample is labelled with; error bars have no place in it.
 *
 * Written here instead of by a library because of the price: 20,000 stacks are 600,000 numbers, which a library first
 * wants as objects.
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */

import { promisify } from 'node:util'
import { gzip, gzipSync } from 'node:zlib'
import { type Frame, PROFILE_OWNERS, type ProfileColumns, type ProfileMapping } from '../profile/columns.js'
import { Turns } from '../profile/turns.js'
import { valueReader } from '../profile/value.js'
import { WireWriter } from './wire.js'

const PROFILE = {
  sampleType: 1,
  sample: 2,
  mapping: 3,
  location: 4,
  function: 5,
  stringTable: 6,
  timeNanos: 9,
  durationNanos: 10,
  periodType: 11,
  period: 12,
  comment: 13,
  defaultSampleType: 14,
} as const

/** In this order, first the name and then the unit of each. */
const SAMPLE_TYPES = [
  ['alloc_objects', 'count', 'allocated-count'],
  ['alloc_space', 'bytes', 'allocated-bytes'],
  ['inuse_objects', 'count', 'live-count'],
  ['inuse_space', 'bytes', 'live-bytes'],
] as const

/** What the bits of `partial` say, by their sum. */
export const PARTIAL_LABELS = ['', 'frames missing', 'truncated', 'frames missing, truncated'] as const

/** Traces between two looks at the clock. */
const SLICE = 32

/** The usual level saves 7 % more and takes twice as long. Small profiles want small buffers. */
function compression({ length }: Buffer) {
  return { level: 1, chunkSize: Math.min(Math.max(length >> 1, 2 ** 12), 2 ** 18) }
}

/** Compressed with gzip, as files of it are. For when the process ends; `pprofInSlices` is for a service that goes on. */
export function toPprof(columns: ProfileColumns): Buffer {
  const encoder = new Encoder(columns)
  while (encoder.advance()) {}
  const whole = encoder.finish()
  return gzipSync(whole, compression(whole))
}

/** The same in slices of some milliseconds, the compression on another thread. */
export async function pprofInSlices(columns: ProfileColumns): Promise<Buffer> {
  const encoder = new Encoder(columns)
  const turns = new Turns()
  while (encoder.advance()) if (turns.over) await turns.next()
  const whole = encoder.finish()
  return promisify(gzip)(whole, compression(whole))
}

class Encoder {
  readonly #columns: ProfileColumns
  readonly #out: WireWriter
  readonly #strings = new Map<string, number>()
  /** By the numbers of their name and file, and the line where they begin. */
  readonly #functions = new Map<string, number>()
  /** By frame: the location that it is, counting from 1; 0 before a stack was seen that holds it. */
  readonly #locations: Uint32Array
  /** Of frames that were inlined together with what they were inlined into, by all their indices. */
  readonly #inlinedLocations = new Map<string, number>()
  readonly #anyInlined: boolean
  #locationCount = 0
  readonly #values: readonly ((trace: number) => number)[]
  readonly #labels: Labels
  /** The stack and the values of the trace that is being written. */
  readonly #path: Uint32Array
  readonly #row = new Float64Array(SAMPLE_TYPES.length)
  #trace = 0

  constructor(columns: ProfileColumns) {
    this.#columns = columns
    this.#out = new WireWriter(4096 + 2 * columns.stackFrames.length + 64 * columns.source.length)
    this.#locations = new Uint32Array(columns.frames.length)
    this.#anyInlined = columns.frames.some(({ inlined }) => inlined)
    this.#values = SAMPLE_TYPES.map(([, , value]) => valueReader(columns, value))
    this.#labels = new Labels(columns, (text) => this.#string(text))
    this.#path = new Uint32Array(longest(columns.starts))
    // The format wants it first.
    this.#string('')
    for (const [type, unit] of SAMPLE_TYPES) this.#valueType(PROFILE.sampleType, type, unit)
    const nameless = new Set(columns.frames.filter(({ function: name }) => name === '').map(({ mapping }) => mapping))
    columns.mappings.forEach((mapping, i) => {
      this.#mapping(mapping, i, !nameless.has(i))
    })
  }

  /** Writes some more traces; false when there are no more. */
  advance(): boolean {
    const count = this.#columns.source.length
    const end = Math.min(count, this.#trace + SLICE)
    while (this.#trace < end) this.#sample(this.#trace++)
    return end < count
  }

  /** Writes what refers to all traces; the message is whole. */
  finish(): Buffer {
    const { intervalBytes, startedAt, durationMs, notes } = this.#columns
    const out = this.#out
    this.#valueType(PROFILE.periodType, 'space', 'bytes')
    out.integer(PROFILE.period, intervalBytes)
    out.integer(PROFILE.timeNanos, nanos(startedAt))
    out.integer(PROFILE.durationNanos, nanos(durationMs))
    out.integer(PROFILE.defaultSampleType, this.#string('inuse_space'))
    for (const note of notes) out.integer(PROFILE.comment, this.#string(note))
    return out.written()
  }

  #sample(trace: number): void {
    const { stackFrames, starts } = this.#columns
    const locations = this.#locations
    const path = this.#path
    const end = starts[trace + 1]!
    let length = 0
    for (let i = starts[trace]!; i < end; ) {
      const next = this.#anyInlined ? this.#endOfInlining(i, end) : i + 1
      const frame = stackFrames[i]!
      path[length++] = next > i + 1 ? this.#inlinedLocation(i, next) : locations[frame] || this.#location(frame)
      i = next
    }
    const row = this.#row
    for (let i = 0; i < row.length; i++) row[i] = int64(this.#values[i]!(trace))
    const labels = this.#labels.of(trace)
    const out = this.#out
    const sample = out.begin(PROFILE.sample)
    out.packed(1, path, length)
    out.packed(2, row, row.length)
    out.raw(labels)
    out.end(sample)
  }

  /** The frame at `from` and those that follow until one was not inlined, when they all belong to one function of machine code. */
  #endOfInlining(from: number, end: number): number {
    const { frames, stackFrames } = this.#columns
    let next = from
    while (next + 1 < end && frames[stackFrames[next]!]!.inlined) next++
    return next + 1
  }

  #location(index: number): number {
    const frame = this.#columns.frames[index]!
    const location = this.#writeLocation([frame], frame)
    this.#locations[index] = location
    return location
  }

  #inlinedLocation(from: number, to: number): number {
    const indices = this.#columns.stackFrames.subarray(from, to)
    const key = indices.join()
    let location = this.#inlinedLocations.get(key)
    if (location === undefined) {
      const frames = Array.from(indices, (index) => this.#columns.frames[index]!)
      location = this.#writeLocation(frames, frames.at(-1)!)
      this.#inlinedLocations.set(key, location)
    }
    return location
  }

  /** `place` says where it is; a native frame without a name gets no line: pprof then shows its address, or finds the name. */
  #writeLocation(frames: readonly Frame[], place: Frame): number {
    for (const frame of frames) if (isNamed(frame)) this.#function(frame)
    const id = ++this.#locationCount
    const out = this.#out
    const location = out.begin(PROFILE.location)
    out.integer(1, id)
    out.integer(2, this.#mappingId(place))
    out.integer(3, place.address)
    for (const frame of frames) {
      if (!isNamed(frame)) continue
      const start = out.begin(4)
      out.integer(1, this.#function(frame))
      const { line, column } = frame.call ?? frame
      out.integer(2, line)
      out.integer(3, column)
      out.end(start)
    }
    out.end(location)
    return id
  }

  /** Code that V8 made for itself is in no file: it counts as the executable's, so that readers tell it from the program's. */
  #mappingId({ kind, mapping }: Frame): number {
    if (mapping >= 0 || kind === 'js') return mapping + 1
    return this.#columns.mappings.length > 0 ? 1 : 0
  }

  /** Its number, after it has been written once; never within another message. */
  #function({ function: name, file, line, kind }: Frame): number {
    const shown = this.#string(name === '' && kind === 'js' ? '(anonymous)' : name)
    const filename = this.#string(file)
    const key = `${shown} ${filename} ${line}`
    const known = this.#functions.get(key)
    if (known !== undefined) return known
    const id = this.#functions.size + 1
    this.#functions.set(key, id)
    const out = this.#out
    const start = out.begin(PROFILE.function)
    out.integer(1, id)
    out.integer(2, shown)
    out.integer(4, filename)
    out.integer(5, line)
    out.end(start)
    return id
  }

  /** `has_functions` tells pprof not to look for names itself, so it is set only where every frame has one. */
  #mapping({ path, buildId, start, end, offset }: ProfileMapping, index: number, named: boolean): void {
    const filename = this.#string(path)
    const build = this.#string(buildId)
    const out = this.#out
    const mapping = out.begin(PROFILE.mapping)
    out.integer(1, index + 1)
    out.integer(2, start)
    out.integer(3, end)
    out.integer(4, offset)
    out.integer(5, filename)
    out.integer(6, build)
    out.integer(7, named ? 1 : 0)
    out.end(mapping)
  }

  #valueType(field: number, type: string, unit: string): void {
    const typeNumber = this.#string(type)
    const unitNumber = this.#string(unit)
    const start = this.#out.begin(field)
    this.#out.integer(1, typeNumber)
    this.#out.integer(2, unitNumber)
    this.#out.end(start)
  }

  /** Its number, after it has been written once; never within another message. */
  #string(text: string): number {
    let number = this.#strings.get(text)
    if (number === undefined) {
      number = this.#strings.size
      this.#strings.set(text, number)
      this.#out.string(PROFILE.stringTable, text)
    }
    return number
  }
}

/** The labels of samples, encoded once for each combination that occurs. */
class Labels {
  readonly #columns: ProfileColumns
  readonly #string: (text: string) => number
  readonly #encoded = new Map<number, Uint8Array>()

  constructor(columns: ProfileColumns, string: (text: string) => number) {
    this.#columns = columns
    this.#string = string
  }

  of(trace: number): Uint8Array {
    const { source, region, thread, owner, partial, threads } = this.#columns
    const small = (source[trace]! * 4 + (partial[trace]! & 3)) * PROFILE_OWNERS.length + owner[trace]!
    const key = (region[trace]! * (threads.length + 1) + thread[trace]!) * 8 * PROFILE_OWNERS.length + small
    let bytes = this.#encoded.get(key)
    if (bytes === undefined) {
      bytes = this.#encode(trace)
      this.#encoded.set(key, bytes)
    }
    return bytes
  }

  #encode(trace: number): Uint8Array {
    const columns = this.#columns
    const out = new WireWriter(64)
    const label = (key: string, text: string) => {
      if (text === '') return
      const start = out.begin(3)
      out.integer(1, this.#string(key))
      out.integer(2, this.#string(text))
      out.end(start)
    }
    label('source', columns.source[trace] === 1 ? 'js' : 'native')
    label('region', columns.regions[columns.region[trace]!] ?? '')
    label('thread', columns.threads[columns.thread[trace]!] ?? '')
    label('owner', PROFILE_OWNERS[columns.owner[trace]!] ?? '')
    label('partial', PARTIAL_LABELS[columns.partial[trace]! & 3]!)
    return out.written()
  }
}

function isNamed({ kind, function: name }: Frame): boolean {
  return kind === 'js' || name !== ''
}

function longest(starts: Uint32Array): number {
  let most = 0
  for (let i = 0; i + 1 < starts.length; i++) most = Math.max(most, starts[i + 1]! - starts[i]!)
  return most
}

/** What an int64 holds, and a number still tells apart. */
function int64(value: number): number {
  return Math.min(Math.max(Math.round(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}

function nanos(ms: number): bigint {
  return BigInt(int64(ms * 1000)) * 1000n
}
