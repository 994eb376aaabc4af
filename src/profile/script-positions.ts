/**
 * Lines of source for positions in it. V8 gives the place of a call as a number of characters from the start of the
 * script; where the script is a file that can still be read, that is a line and a column.
 */

import { readFileSync, statSync } from 'node:fs'

/** Nobody writes longer files by hand; generated ones are named by their function's line. */
const MAX_FILE_BYTES = 8 << 20
const MAX_FILES = 256

export class ScriptPositions {
  readonly #startedAt = Date.now()
  /** Offsets at which lines start; null where the file says nothing about what runs. */
  readonly #lines = new Map<string, Uint32Array | null>()

  /** 1-based line and column; undefined where they cannot be known. */
  find(file: string, position: number): { line: number; column: number } | undefined {
    if (!file.startsWith('/')) return undefined
    let lines = this.#lines.get(file)
    if (lines === undefined) {
      lines = this.#lines.size < MAX_FILES ? this.#read(file) : null
      this.#lines.set(file, lines)
    }
    if (lines === null || position > lines[lines.length - 1]!) return undefined
    let low = 0
    let high = lines.length - 1
    while (low < high - 1) {
      const middle = (low + high) >> 1
      if (lines[middle]! <= position) low = middle
      else high = middle
    }
    return { line: low + 1, column: position - lines[low]! + 1 }
  }

  /** Where each line starts, and the length of the whole at the end. */
  #read(file: string): Uint32Array | null {
    try {
      const { size, mtimeMs } = statSync(file)
      // A file that was written over since says something about other code than what runs.
      if (size > MAX_FILE_BYTES || mtimeMs > this.#startedAt) return null
      const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
      const starts = [0]
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
      starts.push(text.length)
      return Uint32Array.from(starts)
    } catch {
      return null
    }
  }
}
