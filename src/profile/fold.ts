/**
 * Decides which frames of a stack are left out unless somebody wants them all: those of Node and V8, of which a stack often
 * has more than of the program. What remains is the program, the addons and libraries it went through, and of Node
 * the frame nearest to the leaf, which says what was asked of it. Pure.
 */

import type { Frame, ProfileColumns, ProfileMapping } from './columns.js'
import { isExecutable } from './site.js'

/** Of Node's binary, of its scripts, or code that V8 made for itself: builtins, stubs, regular expressions. */
export function isInternal(frame: Frame, mappings: readonly ProfileMapping[]): boolean {
  if (frame.kind === 'js') return frame.file.startsWith('node:')
  return frame.mapping < 0 || isExecutable(frame, mappings)
}

/** What is shown of a stack, leaf first. Empty only where the stack is. */
export function foldInternal(
  { frames, mappings }: Pick<ProfileColumns, 'frames' | 'mappings'>,
  indices: ArrayLike<number>,
): number[] {
  const shown: number[] = []
  let met = false
  for (let i = 0; i < indices.length; i++) {
    const frame = frames[indices[i]!]
    if (frame === undefined) continue
    if (isInternal(frame, mappings)) {
      if (met) continue
      met = true
    }
    shown.push(indices[i]!)
  }
  return shown
}
