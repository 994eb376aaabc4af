/** Columns from traces that come one at a time, as readers and differences make them. */

import type { ProfileColumns, Sums } from './columns.js'

/** The sums of one trace. */
export interface TraceSums {
  count: number
  bytes: number
  countVariance: number
  bytesVariance: number
  samples: number
}

export interface Trace {
  /** Indices in the profile's frames, leaf first. */
  stack: ArrayLike<number>
  source: number
  region: number
  thread: number
  partial: number
  owner: number
  allocated: TraceSums
  live: TraceSums
  old: TraceSums
}

/** What of a profile is not per trace. */
export type ProfileFacts = Omit<ProfileColumns, 'stackFrames' | 'starts' | keyof Trace>

export const UNKNOWN_SUMS: Readonly<TraceSums> = {
  count: Number.NaN,
  bytes: Number.NaN,
  countVariance: Number.NaN,
  bytesVariance: Number.NaN,
  samples: Number.NaN,
}

const SUM_KEYS = ['count', 'bytes', 'countVariance', 'bytesVariance', 'samples'] as const

class SumsBuilder {
  readonly #columns: Record<keyof TraceSums, number[]> = {
    count: [],
    bytes: [],
    countVariance: [],
    bytesVariance: [],
    samples: [],
  }

  add(sums: TraceSums): void {
    for (const key of SUM_KEYS) this.#columns[key].push(sums[key])
  }

  finish(): Sums {
    const { count, bytes, countVariance, bytesVariance, samples } = this.#columns
    return {
      count: Float64Array.from(count),
      bytes: Float64Array.from(bytes),
      countVariance: Float64Array.from(countVariance),
      bytesVariance: Float64Array.from(bytesVariance),
      samples: Float64Array.from(samples),
    }
  }
}

export class ColumnsBuilder {
  readonly #stackFrames: number[] = []
  readonly #starts = [0]
  readonly #source: number[] = []
  readonly #region: number[] = []
  readonly #thread: number[] = []
  readonly #partial: number[] = []
  readonly #owner: number[] = []
  readonly #allocated = new SumsBuilder()
  readonly #live = new SumsBuilder()
  readonly #old = new SumsBuilder()

  /** Traces so far. */
  get length(): number {
    return this.#source.length
  }

  add(trace: Trace): void {
    for (let i = 0; i < trace.stack.length; i++) this.#stackFrames.push(trace.stack[i]!)
    this.#starts.push(this.#stackFrames.length)
    this.#source.push(trace.source)
    this.#region.push(trace.region)
    this.#thread.push(trace.thread)
    this.#partial.push(trace.partial)
    this.#owner.push(trace.owner)
    this.#allocated.add(trace.allocated)
    this.#live.add(trace.live)
    this.#old.add(trace.old)
  }

  finish(facts: ProfileFacts): ProfileColumns {
    return {
      ...facts,
      stackFrames: Uint32Array.from(this.#stackFrames),
      starts: Uint32Array.from(this.#starts),
      source: Uint8Array.from(this.#source),
      region: Uint32Array.from(this.#region),
      thread: Uint16Array.from(this.#thread),
      partial: Uint8Array.from(this.#partial),
      owner: Uint8Array.from(this.#owner),
      allocated: this.#allocated.finish(),
      live: this.#live.finish(),
      old: this.#old.finish(),
    }
  }
}

/** The sums of one trace of a profile. */
export function sumsAt(sums: Sums, trace: number): TraceSums {
  return {
    count: sums.count[trace]!,
    bytes: sums.bytes[trace]!,
    countVariance: sums.countVariance[trace]!,
    bytesVariance: sums.bytesVariance[trace]!,
    samples: sums.samples[trace]!,
  }
}
