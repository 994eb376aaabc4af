/**
 * A profile as speedscope reads it. Pure.
 * @see https://www.speedscope.app/file-format-schema.json
 */

import type { ProfileColumns } from '../profile/columns.js'
import { unitOf } from '../profile/value.js'
import { version } from '../version.js'
import { frameName, type StackOptions, stacks } from './stacks.js'

interface SpeedscopeFrame {
  name: string
  file?: string
  line?: number
  col?: number
}

export function toSpeedscope(columns: ProfileColumns, options: StackOptions): string {
  const { value = 'live-bytes' } = options
  const samples: number[][] = []
  const weights: number[] = []
  const numbers = new Map<number, number>()
  const frames: SpeedscopeFrame[] = []
  for (const stack of stacks(columns, options)) {
    const sample = stack.path.map((index) => {
      let number = numbers.get(index)
      if (number === undefined) {
        number = frames.push(speedscopeFrame(columns, index)) - 1
        numbers.set(index, number)
      }
      return number
    })
    samples.push(sample)
    weights.push(stack.value)
  }
  const name = value.replace('-', ' ')
  return JSON.stringify({
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: `tidemark@${version()}`,
    name,
    activeProfileIndex: 0,
    profiles: [
      {
        type: 'sampled',
        name,
        unit: unitOf(value) === 'bytes' ? 'bytes' : 'none',
        startValue: 0,
        endValue: weights.reduce((sum, weight) => sum + weight, 0),
        samples,
        weights,
      },
    ],
    shared: { frames },
  })
}

function speedscopeFrame({ frames, mappings }: ProfileColumns, index: number): SpeedscopeFrame {
  const frame = frames[index]!
  const file = frame.file || mappings[frame.mapping]?.path
  return {
    name: frameName(frame, mappings),
    ...(file ? { file } : {}),
    ...(frame.line > 0 ? { line: frame.line } : {}),
    ...(frame.column > 0 ? { col: frame.column } : {}),
  }
}
