/**
 * Reads pprof: what tidemark writes, and what others write as far as it says the same: samples of memory. Error bars are not
 * in the format: their place is NaN, as is that of every value that a file does not hold. Pure; whatever the bytes are, it
 * ends in columns or in a ProfileProblem, in bounded memory.
 */

import { type Frame, PROFILE_OWNERS, type ProfileColumns, type ProfileMapping } from '../profile/columns.js'
import { ColumnsBuilder, type TraceSums, UNKNOWN_SUMS } from '../profile/columns-builder.js'
import { PARTIAL_LABELS } from './pprof.js'
import { checkCount, MOST_STACK_FRAMES, MOST_THREADS, ProfileProblem } from './profile-problem.js'
import { WireError, WireReader } from './wire.js'

/** @throws {ProfileProblem} */
export function readPprof(bytes: Buffer): ProfileColumns {
  try {
    return new Message(bytes).columns()
  } catch (error) {
    if (error instanceof WireError) throw new ProfileProblem(`it is not in the format of pprof: ${error.message}`)
    throw error
  }
}

/** Names under which the four values are known. */
const VALUE_NAMES = {
  liveBytes: ['inuse_space', 'space'],
  liveCount: ['inuse_objects', 'objects'],
  allocatedBytes: ['alloc_space'],
  allocatedCount: ['alloc_objects'],
} as const

interface Location {
  mapping: number
  address: number
  lines: { function: number; line: number; column: number }[]
}

/** The message as it is in the file: strings are numbers, and anything may refer to what comes later. */
class Message {
  readonly #strings: string[] = []
  readonly #sampleTypes: number[] = []
  readonly #samples: WireReader[] = []
  readonly #mappings: ProfileMapping[] = []
  /** By the ids of the file: index in mappings, and so on. */
  readonly #mappingIndices = new Map<number, number>()
  readonly #mappingStrings: { path: number; buildId: number }[] = []
  readonly #locations = new Map<number, Location>()
  readonly #functions = new Map<number, { name: number; file: number; line: number }>()
  readonly #comments: number[] = []
  #timeNanos = 0
  #durationNanos = 0
  #period = 0

  constructor(bytes: Buffer) {
    const reader = new WireReader(bytes)
    for (let field = reader.next(); field !== 0; field = reader.next()) this.#field(reader, field)
    this.#mappingStrings.forEach(({ path, buildId }, i) => {
      Object.assign(this.#mappings[i]!, { path: this.#string(path), buildId: this.#string(buildId) })
    })
  }

  #field(reader: WireReader, field: number): void {
    if (field === 1) this.#sampleTypes.push(numbers(reader.message(), 1)[1]!)
    else if (field === 2) this.#samples.push(reader.message())
    else if (field === 3) this.#addMapping(reader.message())
    else if (field === 4) this.#addLocation(reader.message())
    else if (field === 5) this.#addFunction(reader.message())
    else if (field === 6) this.#strings.push(reader.string())
    else if (field === 9) this.#timeNanos = reader.integer()
    else if (field === 10) this.#durationNanos = reader.integer()
    else if (field === 12) this.#period = reader.integer()
    else if (field === 13) reader.integers(this.#comments)
    else reader.skip()
    checkCount(this.#samples.length, 'stacks')
    checkCount(this.#strings.length, 'strings')
    checkCount(this.#locations.size, 'locations')
    checkCount(this.#mappings.length, 'mappings')
  }

  #addMapping(reader: WireReader): void {
    const [, id, start, end, offset, path, buildId] = numbers(reader, 6) as Seven
    this.#mappingIndices.set(id, this.#mappings.length)
    this.#mappings.push({ path: '', buildId: '', start, end, offset })
    this.#mappingStrings.push({ path, buildId })
  }

  #addLocation(reader: WireReader): void {
    const location: Location = { mapping: 0, address: 0, lines: [] }
    let id = 0
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) id = reader.integer()
      else if (field === 2) location.mapping = reader.integer()
      else if (field === 3) location.address = reader.integer()
      else if (field === 4) {
        const [, number, line, column] = numbers(reader.message(), 3) as Seven
        location.lines.push({ function: number, line, column })
      } else reader.skip()
    }
    this.#locations.set(id, location)
  }

  #addFunction(reader: WireReader): void {
    const [, id, name, systemName, file, line] = numbers(reader, 5) as Seven
    this.#functions.set(id, { name: name || systemName, file, line })
  }

  columns(): ProfileColumns {
    const values = this.#valueIndices()
    const frames: Frame[] = []
    const framesOf = new Map<number, number[]>()
    const regions = new Numbering()
    const threads = new Numbering()
    const builder = new ColumnsBuilder()
    let length = 0
    let anyJs = false
    for (const sample of this.#samples) {
      const { locations, row, labels } = this.#sample(sample)
      const stack = locations.flatMap((id) => {
        let indices = framesOf.get(id)
        if (!indices) {
          indices = this.#frames(id).map((frame) => frames.push(frame) - 1)
          framesOf.set(id, indices)
        }
        return indices
      })
      length += stack.length
      checkCount(length, 'frames in its stacks', MOST_STACK_FRAMES)
      const label = (key: string) => labels.get(key) ?? ''
      const js = label('source') === 'js' || (label('source') === '' && stack.every((i) => frames[i]!.kind === 'js'))
      const owner = PROFILE_OWNERS.indexOf(label('owner') as (typeof PROFILE_OWNERS)[number])
      anyJs ||= js
      builder.add({
        stack,
        source: js ? 1 : 0,
        region: regions.of(label('region')),
        thread: threads.of(label('thread')),
        partial: Math.max(0, PARTIAL_LABELS.indexOf(label('partial') as (typeof PARTIAL_LABELS)[number])),
        owner: owner >= 0 ? owner : PROFILE_OWNERS.indexOf(js ? 'js-heap' : 'malloc'),
        live: sums(row, values.liveCount, values.liveBytes),
        allocated: sums(row, values.allocatedCount, values.allocatedBytes),
        old: UNKNOWN_SUMS,
      })
    }
    checkCount(threads.names.length, 'threads', MOST_THREADS)
    return builder.finish({
      // A time of this century has no more than whole microseconds as a number of nanoseconds.
      startedAt: Math.round(this.#timeNanos / 1e3) / 1e3,
      durationMs: this.#durationNanos / 1e6,
      intervalBytes: this.#period,
      jsIntervalBytes: anyJs ? this.#period : 0,
      jsHeapAt: 0,
      oldMs: 0,
      frames,
      regions: regions.names,
      regionKinds: regions.names.map(() => ''),
      threads: threads.names,
      mappings: this.#mappings,
      notes: this.#comments.map((number) => this.#string(number)),
    })
  }

  /** Where in a sample the four values are; -1 for those that the file does not hold. */
  #valueIndices(): Record<keyof typeof VALUE_NAMES, number> {
    const names = this.#sampleTypes.map((number) => this.#string(number))
    const find = (wanted: readonly string[]) => names.findIndex((name) => wanted.includes(name))
    const indices = {
      liveBytes: find(VALUE_NAMES.liveBytes),
      liveCount: find(VALUE_NAMES.liveCount),
      allocatedBytes: find(VALUE_NAMES.allocatedBytes),
      allocatedCount: find(VALUE_NAMES.allocatedCount),
    }
    if (Object.values(indices).every((index) => index < 0)) {
      const held = names.length === 0 ? 'nothing' : names.slice(0, 8).join(', ')
      throw new ProfileProblem(`it is no profile of memory: its samples are of ${held}`)
    }
    return indices
  }

  #sample(reader: WireReader): { locations: number[]; row: number[]; labels: Map<string, string> } {
    const locations: number[] = []
    const row: number[] = []
    const labels = new Map<string, string>()
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) reader.integers(locations)
      else if (field === 2) reader.integers(row)
      else if (field === 3) {
        const [, key, text] = numbers(reader.message(), 2) as Seven
        labels.set(this.#string(key), this.#string(text))
      } else reader.skip()
    }
    return { locations, row, labels }
  }

  /** The frames of a location: all but the last were inlined into the next. Code without mapping and address is JS. */
  #frames(id: number): Frame[] {
    const location = this.#locations.get(id)
    if (!location) throw new ProfileProblem(`a stack goes through location ${id}, which it does not hold`)
    const { mapping, address, lines } = location
    const place = {
      kind: mapping === 0 && address === 0 ? 'js' : 'native',
      mapping: this.#mappingIndices.get(mapping) ?? -1,
      address,
    } as const
    if (lines.length === 0) return [{ function: '', file: '', line: 0, column: 0, inlined: false, ...place }]
    return lines.map(({ function: number, line, column }, i) => {
      const { name, file, line: begin } = this.#functions.get(number) ?? { name: 0, file: 0, line: 0 }
      const inlined = i < lines.length - 1
      const frame: Frame = { function: this.#string(name), file: this.#string(file), line, column, inlined, ...place }
      // The format has no column for where a function begins.
      return begin === 0 || begin === line ? frame : { ...frame, line: begin, column: 0, call: { line, column } }
    })
  }

  #string(number: number): string {
    return this.#strings[number] ?? ''
  }
}

type Seven = [number, number, number, number, number, number, number]

/** The integer fields up to `last` of a message, by number; 0 for those that it does not have. */
function numbers(reader: WireReader, last: number): number[] {
  const values = new Array<number>(last + 1).fill(0)
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field <= last) values[field] = reader.integer()
    else reader.skip()
  }
  return values
}

function sums(row: readonly number[], count: number, bytes: number): TraceSums {
  return { ...UNKNOWN_SUMS, count: row[count] ?? Number.NaN, bytes: row[bytes] ?? Number.NaN }
}

/** Numbers names in the order in which they come; '' is 0. */
class Numbering {
  readonly names = ['']
  readonly #numbers = new Map([['', 0]])

  of(name: string): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.names.push(name) - 1
      this.#numbers.set(name, number)
    }
    return number
  }
}
