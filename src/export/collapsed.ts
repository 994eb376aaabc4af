/** A profile in the collapsed format: `root;caller;leaf 4096` a line, for flamegraph.pl, inferno, speedscope and others. Pure. */

import { basename } from 'node:path'
import { printable } from '../printable.js'
import type { Frame, ProfileColumns, ProfileMapping } from '../profile/columns.js'
import { frameName, type StackOptions, stacks } from './stacks.js'

/** Largest first; '' of a profile without a value above 0. */
export function toCollapsed(columns: ProfileColumns, options: StackOptions): string {
  const texts = columns.frames.map((frame) => frameText(frame, columns.mappings))
  const sums = new Map<string, number>()
  for (const { path, value } of stacks(columns, options)) {
    const line = path.map((index) => texts[index]!).join(';') || '(unknown)'
    sums.set(line, (sums.get(line) ?? 0) + value)
  }
  const lines = [...sums].sort(([, a], [, b]) => b - a).map(([stack, value]) => `${stack} ${value}\n`)
  return lines.join('')
}

function frameText(frame: Frame, mappings: readonly ProfileMapping[]): string {
  const name = frameName(frame, mappings)
  const { file, line } = frame
  const path = mappings[frame.mapping]?.path
  if (file !== '') return word(line > 0 ? `${name} (${file}:${line})` : `${name} (${file})`)
  return word(path ? `${name} [${basename(path)}]` : name)
}

/** A semicolon ends a frame and a new line a stack, so neither can be in a name. */
function word(text: string): string {
  return printable(text).replaceAll(';', ':').trim() || '(blank)'
}
