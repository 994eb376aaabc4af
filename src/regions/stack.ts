/**
 * The regions that are open on this thread now, innermost last; the innermost is also the word that native code reads.
 * A region is found again by its mark, not by its position: a handle may be left after one that was entered later, or
 * after the function that entered it has returned, and a position saved at entry would then restore a region that has ended.
 */

import { regionWord } from '../binding.js'

/** Deeper than Node's default stack can recurse: only handles that were never left get here. Untouched pages cost nothing. */
const MAX_HEIGHT = 1 << 15

/** The id of no region. ids[0] is NONE for ever: what the word goes back to when the last region is left. */
export const NONE = 0

const word = regionWord
const ids = new Int32Array(MAX_HEIGHT)
const marks = new Int32Array(MAX_HEIGHT)
let top = 0
let lastMark = 0
let disorders = 0

/** Opens a region and returns the mark that closes it: never 0, and different for every entry. */
export function enter(id: number): number {
  lastMark = (lastMark + 1) | 0 || 1
  push(id, lastMark)
  return lastMark
}

export function push(id: number, mark: number): void {
  if (++top === MAX_HEIGHT) forgetOldest()
  ids[top] = id
  marks[top] = mark
  word[0] = id
}

/** Closes the region with that mark, if it is open. */
export function leave(mark: number): void {
  if (marks[top] === mark) word[0] = ids[--top]!
  else leaveOutOfOrder(mark)
}

function leaveOutOfOrder(mark: number): void {
  const before = top
  remove(mark)
  disorders += before - top
}

/** Closes the region with that mark wherever it is open: one that is held across ticks may also lie below its continuation. */
export function remove(mark: number): void {
  for (let i = top; i > 0; i--) {
    if (marks[i] !== mark) continue
    ids.copyWithin(i, i + 1, top + 1)
    marks.copyWithin(i, i + 1, top + 1)
    top--
  }
  word[0] = ids[top]!
}

/** Closes everything above `height`. */
export function truncate(height: number): void {
  if (height < top) top = height
  word[0] = ids[top]!
}

export function height(): number {
  return top
}

/** The innermost open region. */
export function current(): number {
  return ids[top]!
}

export function holds(id: number): boolean {
  for (let i = top; i > 0; i--) if (ids[i] === id) return true
  return false
}

/** How often any region has been entered on this thread; wraps at 32 bits. */
export function entries(): number {
  return lastMark
}

/** How often a region was left while one that was entered later was still open. */
export function outOfOrder(): number {
  return disorders
}

function forgetOldest(): void {
  const kept = MAX_HEIGHT / 2
  ids.copyWithin(1, MAX_HEIGHT - kept)
  marks.copyWithin(1, MAX_HEIGHT - kept)
  top = kept + 1
}
