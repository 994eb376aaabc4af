/**
 * Several parts of one process as one profile: native memory, the JS heap of each thread. Traces and frames stay as they are
 * and follow one another, as parts have no trace in common; regions, threads and mappings are found again by what they are. Pure.
 */

import type { Frame, ProfileColumns, ProfileMapping, Sums } from './columns.js'

/** The mappings of the first part that has some come first, and with them the executable. At least one part. */
export function merge(parts: readonly ProfileColumns[]): ProfileColumns {
  const regions = new Table<{ name: string; kind: '' | 'cache' }>(({ name, kind }) => `${kind}:${name}`)
  const threads = new Table<string>((name) => name)
  const mappings = new Table<ProfileMapping>((m) => `${m.start}:${m.end}:${m.offset}:${m.buildId}:${m.path}`)
  regions.number({ name: '', kind: '' })

  const frames: Frame[] = []
  const stackFrames = new Uint32Array(total(parts, (part) => part.stackFrames.length))
  const traces = total(parts, traceCount)
  const starts = new Uint32Array(traces + 1)
  const region = new Uint32Array(traces)
  const thread = new Uint16Array(traces)
  let trace = 0
  let used = 0
  for (const part of parts) {
    const firstFrame = frames.length
    const mappingNumbers = part.mappings.map((mapping) => mappings.number(mapping))
    for (const frame of part.frames) {
      const mapping = mappingNumbers[frame.mapping] ?? -1
      frames.push(mapping === frame.mapping ? frame : { ...frame, mapping })
    }
    stackFrames.set(part.stackFrames, used)
    if (firstFrame > 0) shift(stackFrames.subarray(used, used + part.stackFrames.length), firstFrame)
    const regionNumbers = part.regions.map((name, i) => regions.number({ name, kind: part.regionKinds[i] ?? '' }))
    const threadNumbers = part.threads.map((name) => threads.number(name))
    const count = traceCount(part)
    for (let i = 0; i < count; i++) {
      starts[trace + i] = part.starts[i]! + used
      region[trace + i] = regionNumbers[part.region[i]!] ?? 0
      thread[trace + i] = threadNumbers[part.thread[i]!] ?? 0
    }
    trace += count
    used += part.stackFrames.length
  }
  starts[traces] = used

  const startedAt = Math.min(...parts.map((part) => part.startedAt))
  return {
    startedAt,
    durationMs: Math.max(...parts.map((part) => part.startedAt + part.durationMs)) - startedAt,
    intervalBytes: firstInterval(parts, 'intervalBytes'),
    jsIntervalBytes: firstInterval(parts, 'jsIntervalBytes'),
    jsHeapAt: Math.max(...parts.map((part) => part.jsHeapAt)),
    frames,
    stackFrames,
    starts,
    source: bytes(parts, 'source'),
    region,
    thread,
    partial: bytes(parts, 'partial'),
    owner: bytes(parts, 'owner'),
    allocated: sums(parts, 'allocated'),
    live: sums(parts, 'live'),
    old: sums(parts, 'old'),
    oldMs: Math.max(...parts.map((part) => part.oldMs)),
    regions: regions.rows.map(({ name }) => name),
    regionKinds: regions.rows.map(({ kind }) => kind),
    threads: threads.rows,
    mappings: mappings.rows,
    notes: [...new Set(parts.flatMap((part) => part.notes))],
  }
}

/** Rows numbered in the order in which they were first seen. */
class Table<Row> {
  readonly rows: Row[] = []
  readonly #numbers = new Map<string, number>()
  readonly #key: (row: Row) => string

  constructor(key: (row: Row) => string) {
    this.#key = key
  }

  number(row: Row): number {
    const key = this.#key(row)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.rows.push(row) - 1
    this.#numbers.set(key, number)
    return number
  }
}

function shift(numbers: Uint32Array, by: number): void {
  for (let i = 0; i < numbers.length; i++) numbers[i]! += by
}

function traceCount(part: ProfileColumns): number {
  return part.starts.length - 1
}

function total(parts: readonly ProfileColumns[], count: (part: ProfileColumns) => number): number {
  return parts.reduce((sum, part) => sum + count(part), 0)
}

/** 0 stands for a source that a part does not have. */
function firstInterval(parts: readonly ProfileColumns[], key: 'intervalBytes' | 'jsIntervalBytes'): number {
  return parts.find((part) => part[key] > 0)?.[key] ?? 0
}

function bytes(parts: readonly ProfileColumns[], key: 'source' | 'partial' | 'owner'): Uint8Array {
  const all = new Uint8Array(total(parts, traceCount))
  let used = 0
  for (const part of parts) {
    all.set(part[key], used)
    used += traceCount(part)
  }
  return all
}

function sums(parts: readonly ProfileColumns[], key: 'allocated' | 'live' | 'old'): Sums {
  const column = (name: keyof Sums) => {
    const all = new Float64Array(total(parts, traceCount))
    let used = 0
    for (const part of parts) {
      all.set(part[key][name], used)
      used += traceCount(part)
    }
    return all
  }
  return {
    count: column('count'),
    bytes: column('bytes'),
    countVariance: column('countVariance'),
    bytesVariance: column('bytesVariance'),
    samples: column('samples'),
  }
}
