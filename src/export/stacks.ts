/** Stacks as flame graphs want them: of one value, Node's inner frames folded, frames that look alike taken for one. Pure. */

import { basename } from 'node:path'
import type { Frame, ProfileColumns, ProfileMapping } from '../profile/columns.js'
import { foldInternal } from '../profile/fold.js'
import { type ProfileValue, valuesOf } from '../profile/value.js'

export interface StackOptions {
  /** Default `live-bytes`. */
  value?: ProfileValue
  /** Shows every frame of Node and V8 instead of only the one nearest the leaf. Default false. */
  showInternal?: boolean
}

export interface Stack {
  /** Indices in the profile's frames, root first. */
  path: number[]
  /** Whole and above 0: no flame graph can draw less. */
  value: number
}

export function* stacks(
  columns: ProfileColumns,
  { value = 'live-bytes', showInternal = false }: StackOptions,
): Generator<Stack> {
  const { stackFrames, starts } = columns
  const values = valuesOf(columns, value)
  const alike = alikeFrames(columns)
  for (let trace = 0; trace < values.length; trace++) {
    const rounded = Math.round(values[trace]!)
    if (!(rounded > 0 && rounded <= Number.MAX_SAFE_INTEGER)) continue
    const indices = stackFrames.subarray(starts[trace], starts[trace + 1])
    const shown = showInternal ? indices : foldInternal(columns, indices)
    yield { path: Array.from(shown, (index) => alike[index]!).reverse(), value: rounded }
  }
}

/** By frame: the first one that a reader could not tell from it. Addresses within a function are not shown. */
function alikeFrames({ frames, mappings }: ProfileColumns): Uint32Array {
  const first = new Map<string, number>()
  return Uint32Array.from(frames, (frame, i) => {
    const { file, line, column } = frame
    const key = [frameName(frame, mappings), frame.mapping, file, line, column].join('\n')
    const known = first.get(key) ?? i
    first.set(key, known)
    return known
  })
}

/** Never empty. */
export function frameName(
  { function: name, kind, mapping, address }: Frame,
  mappings: readonly ProfileMapping[],
): string {
  if (name !== '') return name
  if (kind === 'js') return '(anonymous)'
  const path = mappings[mapping]?.path
  return path ? `${basename(path)}+0x${address.toString(16)}` : '(unknown)'
}
