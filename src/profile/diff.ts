/**
 * What one profile has more than an earlier one, trace by trace. Traces are the same if their stacks, regions, threads and
 * owners are, whatever numbers the two profiles give those. Values may be negative; variances add. Pure.
 */

import type { Frame, ProfileColumns, ProfileMapping } from './columns.js'
import { ColumnsBuilder, sumsAt, type Trace, type TraceSums } from './columns-builder.js'

export function diffColumns(later: ProfileColumns, earlier: ProfileColumns): ProfileColumns {
  const union = new Union()
  union.add(later, 1)
  union.add(earlier, -1)
  const builder = new ColumnsBuilder()
  for (const trace of union.traces.values()) builder.add(trace)
  const earlierEnd = earlier.startedAt + earlier.durationMs
  return builder.finish({
    startedAt: earlierEnd,
    durationMs: Math.max(0, later.startedAt + later.durationMs - earlierEnd),
    intervalBytes: later.intervalBytes,
    jsIntervalBytes: later.jsIntervalBytes,
    jsHeapAt: later.jsHeapAt,
    oldMs: later.oldMs,
    frames: union.frames.values,
    regions: union.regions.values,
    regionKinds: union.regions.values.map((name) => union.regionKinds.get(name) ?? ''),
    threads: union.threads.values,
    mappings: union.mappings.values,
    notes: [...new Set([...later.notes, ...earlier.notes])],
  })
}

/** Numbers things in the order in which they come, equal ones alike. */
class Numbering<T> {
  readonly values: T[] = []
  readonly #numbers = new Map<string, number>()

  of(key: string, value: T): number {
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.values.push(value) - 1
      this.#numbers.set(key, number)
    }
    return number
  }
}

class Union {
  readonly frames = new Numbering<Frame>()
  readonly regions = new Numbering<string>()
  readonly regionKinds = new Map<string, '' | 'cache'>()
  readonly threads = new Numbering<string>()
  readonly mappings = new Numbering<ProfileMapping>()
  readonly traces = new Map<string, Trace>()

  add(columns: ProfileColumns, sign: 1 | -1): void {
    const regions = columns.regions.map((name) => this.regions.of(name, name))
    columns.regions.forEach((name, i) => {
      if (!this.regionKinds.has(name)) this.regionKinds.set(name, columns.regionKinds[i] ?? '')
    })
    const threads = columns.threads.map((name) => this.threads.of(name, name))
    const mappings = columns.mappings.map((mapping) => {
      return this.mappings.of(`${mapping.buildId}\0${mapping.path}`, mapping)
    })
    const frames = columns.frames.map((frame) => this.#frame(frame, mappings[frame.mapping] ?? -1))
    for (let i = 0; i < columns.source.length; i++) {
      const stack = columns.stackFrames
        .subarray(columns.starts[i], columns.starts[i + 1])
        .map((index) => frames[index]!)
      const trace: Trace = {
        stack,
        source: columns.source[i]!,
        region: regions[columns.region[i]!]!,
        thread: threads[columns.thread[i]!]!,
        partial: columns.partial[i]!,
        owner: columns.owner[i]!,
        allocated: signed(sumsAt(columns.allocated, i), sign),
        live: signed(sumsAt(columns.live, i), sign),
        old: signed(sumsAt(columns.old, i), sign),
      }
      const { source, region, thread, partial, owner } = trace
      const key = `${source} ${region} ${thread} ${partial} ${owner} ${stack.join()}`
      const known = this.traces.get(key)
      if (known) addTo(known, trace)
      else this.traces.set(key, trace)
    }
  }

  #frame(frame: Frame, mapping: number): number {
    const { function: name, file, line, column, call, kind, inlined, address } = frame
    const key = [kind, inlined, mapping, address, line, column, call?.line, call?.column, name, file].join('\0')
    return this.frames.of(key, { ...frame, mapping })
  }
}

function signed(sums: TraceSums, sign: 1 | -1): TraceSums {
  return { ...sums, count: sign * sums.count, bytes: sign * sums.bytes }
}

function addTo(into: Trace, { allocated, live, old }: Trace): void {
  addSums(into.allocated, allocated)
  addSums(into.live, live)
  addSums(into.old, old)
}

function addSums(into: TraceSums, sums: TraceSums): void {
  for (const key of ['count', 'bytes', 'countVariance', 'bytesVariance', 'samples'] as const) into[key] += sums[key]
}
