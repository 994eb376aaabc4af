/** What the flame graph's script draws from: the stacks as one tree, and what each stack stands for. Small enough for 20,000 stacks. Pure. */

import type { Frame, ProfileColumns } from '../profile/columns.js'
import { isInternal } from '../profile/fold.js'
import { PROFILE_VALUES, type ProfileValue, samplesOf, valuesOf, variancesOf } from '../profile/value.js'
import { frameName } from './stacks.js'

/** Bits of a frame, as the script knows them. */
const NATIVE = 1
const INTERNAL = 2
const INLINED = 4

export interface FlameData {
  /** Name, index in `files`, line, bits. */
  frames: [string, number, number, number][]
  files: string[]
  /** By node: its frame, and its parent, which comes before it. Node 0 is the root and has no frame. */
  nodes: { frame: number[]; parent: number[] }
  /** By trace; `node` is that of its leaf. */
  traces: { node: number[]; source: number[]; region: number[] }
  /** By trace, rounded; null where a variance or the number of samples is not known. */
  values: Record<ProfileValue, { value: number[]; variance: (number | null)[]; samples: (number | null)[] }>
  regions: string[]
}

export function flameData(columns: ProfileColumns): FlameData {
  const { starts, stackFrames, source, region, regions } = columns
  const frames = new FrameTable(columns)
  const tree = new Tree()
  const estimates = PROFILE_VALUES.map((name) => ({
    name,
    of: [valuesOf(columns, name), variancesOf(columns, name), samplesOf(columns, name)] as const,
  }))
  const data: FlameData = {
    frames: frames.rows,
    files: frames.files,
    nodes: tree,
    traces: { node: [], source: [], region: [] },
    values: {
      'live-bytes': { value: [], variance: [], samples: [] },
      'live-count': { value: [], variance: [], samples: [] },
      'allocated-bytes': { value: [], variance: [], samples: [] },
      'allocated-count': { value: [], variance: [], samples: [] },
    },
    regions: [...regions],
  }
  for (let trace = 0; trace + 1 < starts.length; trace++) {
    // What shrank, as in a difference of two profiles, has no width.
    if (!estimates.some(({ of: [values] }) => Math.round(values[trace]!) > 0)) continue
    let node = 0
    for (let i = starts[trace + 1]! - 1; i >= starts[trace]!; i--) {
      node = tree.child(node, frames.row(stackFrames[i]!))
    }
    data.traces.node.push(node)
    data.traces.source.push(source[trace]!)
    data.traces.region.push(region[trace]!)
    for (const { name, of } of estimates) {
      const { value, variance, samples } = data.values[name]
      value.push(Math.max(0, Math.round(of[0][trace]!)))
      variance.push(Number.isNaN(of[1][trace]!) ? null : Number(of[1][trace]!.toPrecision(4)))
      samples.push(Number.isNaN(of[2][trace]!) ? null : of[2][trace]!)
    }
  }
  return data
}

/** Frames that look alike are one. */
class FrameTable {
  readonly rows: FlameData['frames'] = []
  readonly files: string[] = []
  readonly #columns: ProfileColumns
  readonly #rowOf: Int32Array
  readonly #known = new Map<string, number>()
  readonly #fileNumbers = new Map<string, number>()

  constructor(columns: ProfileColumns) {
    this.#columns = columns
    this.#rowOf = new Int32Array(columns.frames.length).fill(-1)
  }

  row(index: number): number {
    const known = this.#rowOf[index]!
    return known >= 0 ? known : this.#add(index)
  }

  #add(index: number): number {
    const { frames, mappings } = this.#columns
    const frame: Frame = frames[index]!
    const bits =
      (frame.kind === 'native' ? NATIVE : 0) |
      (isInternal(frame, mappings) ? INTERNAL : 0) |
      (frame.inlined ? INLINED : 0)
    const name = frameName(frame, mappings)
    const file = this.#file(frame.file || (mappings[frame.mapping]?.path ?? ''))
    const key = `${file}:${frame.line}:${bits}:${name}`
    const row = this.#known.get(key) ?? this.rows.push([name, file, frame.line, bits]) - 1
    this.#known.set(key, row)
    this.#rowOf[index] = row
    return row
  }

  #file(path: string): number {
    const number = this.#fileNumbers.get(path) ?? this.files.push(path) - 1
    this.#fileNumbers.set(path, number)
    return number
  }
}

class Tree {
  readonly frame: number[] = [-1]
  readonly parent: number[] = [-1]
  readonly #children = new Map<number, number>()

  child(parent: number, frame: number): number {
    const key = parent * 2 ** 24 + frame
    const known = this.#children.get(key)
    if (known !== undefined) return known
    const node = this.frame.push(frame) - 1
    this.parent.push(parent)
    this.#children.set(key, node)
    return node
  }

  /** As its columns: what else there is belongs to building it. */
  toJSON(): FlameData['nodes'] {
    return { frame: this.frame, parent: this.parent }
  }
}
