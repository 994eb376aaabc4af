/** Text that is redrawn in place on a terminal. */

import { clearScreenDown, moveCursor } from 'node:readline'
import type { WriteStream } from 'node:tty'
import { stripVTControlCharacters } from 'node:util'

export class LiveBlock {
  readonly #stream: WriteStream
  #text = ''

  constructor(stream: WriteStream) {
    this.#stream = stream
  }

  /** Puts `text`, which ends its last line, in the place of what was drawn before. */
  draw(text: string): void {
    this.clear()
    this.#stream.write(text)
    this.#text = text
  }

  clear(): void {
    const { columns, rows } = this.#stream
    // The width may have changed since, and what has left the screen at the top cannot be reached.
    moveCursor(this.#stream, 0, -Math.min(rowsOf(this.#text, columns), rows - 1))
    clearScreenDown(this.#stream)
    this.#text = ''
  }
}

/** Rows that the cursor goes down by while `text` is written. */
export function rowsOf(text: string, columns: number): number {
  const lines = stripVTControlCharacters(text).split('\n').slice(0, -1)
  return lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / columns)), 0)
}
