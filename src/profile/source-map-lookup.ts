/**
 * Finds positions in one source map (version 3) without building a table of it: the mappings are read once, from front to back.
 * node:module has a class for this. It keeps an array for each segment, which is 100 MB for a large bundle, and answers for a
 * position that is not mapped with whatever was mapped last, on any line before it. Pure.
 */

import { fileURLToPath } from 'node:url'

/** 1-based, as frames count. */
export interface Place {
  line: number
  column: number
  /** Of the name that ends just before this place; 0 where there is none. */
  nameLength: number
}

export interface Origin {
  file: string
  line: number
  column: number
  /** What the map calls the name before the place; '' where it does not say. */
  name: string
}

/** What of a map is read; whoever wrote it may have put anything there. */
interface Section {
  line: number
  column: number
  mappings: string
  files: (string | null)[]
  names: unknown[]
}

interface Segment {
  column: number
  /** -1 where the segment says that its text comes from nowhere. */
  source: number
  line: number
  sourceColumn: number
  name: number
}

const MOST_SECTIONS = 10_000

/**
 * Where each place comes from, in their order; null where the map does not say. `base` is the URL that its sources are relative to.
 * @throws {Error} for what is no source map; the message says why
 */
export function findOrigins(map: unknown, base: string, places: readonly Place[]): (Origin | null)[] {
  const sections = readSections(map, base)
  const answers: (Origin | null)[] = places.map(() => null)
  const order = places.map((_, i) => i).sort((a, b) => compare(places[a]!, places[b]!))
  let next = 0
  for (const [i, section] of sections.entries()) {
    const end = sections[i + 1]
    const inside: number[] = []
    while (next < order.length && (end === undefined || compare(places[order[next]!]!, end) < 0)) {
      inside.push(order[next++]!)
    }
    if (inside.length > 0) readMappings(section, inside, places, answers)
  }
  return answers
}

function compare(a: { line: number; column: number }, b: { line: number; column: number }): number {
  return a.line - b.line || a.column - b.column
}

/** `indices` of places, sorted by them. */
function readMappings(
  { line: firstLine, column: firstColumn, mappings, files, names }: Section,
  indices: readonly number[],
  places: readonly Place[],
  answers: (Origin | null)[],
): void {
  const at: Segment = { column: 0, source: 0, line: 0, sourceColumn: 0, name: 0 }
  let line = firstLine
  let last: Segment | undefined
  let next = 0
  /** Answers the places of this line that are left of `column`. */
  const answer = (column: number) => {
    for (; next < indices.length; next++) {
      const place = places[indices[next]!]!
      if (place.line > line || (place.line === line && place.column - 1 >= column)) return
      if (place.line === line && last !== undefined) answers[indices[next]!] = originOf(last, place)
    }
  }
  const originOf = (segment: Segment, place: Place): Origin | null => {
    const file = files[segment.source]
    if (typeof file !== 'string') return null
    const isName = place.nameLength > 0 && segment.column + place.nameLength === place.column - 1
    const name = isName ? names[segment.name] : ''
    return {
      file,
      line: segment.line + 1,
      column: segment.sourceColumn + 1,
      name: typeof name === 'string' ? name : '',
    }
  }

  const reader = new VlqReader(mappings)
  while (next < indices.length && !reader.done) {
    if (reader.skip(SEMICOLON)) {
      answer(Number.POSITIVE_INFINITY)
      line++
      at.column = 0
      last = undefined
      continue
    }
    if (reader.skip(COMMA)) continue
    at.column += reader.read()
    const mapped = reader.more
    if (mapped) {
      at.source += reader.read()
      at.line += reader.read()
      at.sourceColumn += reader.read()
    }
    const named = reader.more
    if (named) at.name += reader.read()
    if (reader.more) throw new Error('a mapping has too many fields')
    // Columns of a section's first line count from where it begins.
    const column = at.column + (line === firstLine ? firstColumn - 1 : 0)
    if (line < places[indices[next]!]!.line) continue
    answer(column)
    last = { ...at, column, source: mapped ? at.source : -1, name: named ? at.name : -1 }
  }
  answer(Number.POSITIVE_INFINITY)
}

const COMMA = 44
const SEMICOLON = 59
const DIGITS = new Int8Array(128).fill(-1)
for (const [i, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  DIGITS[digit.charCodeAt(0)] = i
}

class VlqReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  /** Whether another number of this segment follows. */
  get more(): boolean {
    const code = this.#text.charCodeAt(this.#at)
    return !this.done && code !== COMMA && code !== SEMICOLON
  }

  skip(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  read(): number {
    let value = 0
    for (let shift = 0; shift <= 30; shift += 5) {
      const digit = DIGITS[this.#text.charCodeAt(this.#at++)] ?? -1
      if (digit < 0) break
      value += (digit & 31) * 2 ** shift
      if (digit < 32) return value % 2 === 1 ? -Math.floor(value / 2) : value / 2
    }
    throw new Error(`its mappings are broken at character ${this.#at}`)
  }
}

/** A map is one section; an index map, as bundlers of bundles write it, has several. */
function readSections(map: unknown, base: string): Section[] {
  const { sections } = asObject(map)
  if (sections === undefined) return [readSection(map, base, 1, 1)]
  if (!Array.isArray(sections) || sections.length > MOST_SECTIONS) throw new Error('its sections are not a list')
  const read = sections.map((section) => {
    const { offset, map: inner } = asObject(section)
    const { line, column } = asObject(offset)
    if (!Number.isInteger(line) || !Number.isInteger(column)) throw new Error('a section has no offset')
    return readSection(inner, base, Number(line) + 1, Number(column) + 1)
  })
  return read.sort(compare)
}

function readSection(map: unknown, base: string, line: number, column: number): Section {
  const { mappings, sources, sourceRoot, names } = asObject(map)
  if (typeof mappings !== 'string' || !Array.isArray(sources)) throw new Error('it has no mappings or no sources')
  const root = typeof sourceRoot === 'string' && sourceRoot !== '' ? sourceRoot.replace(/\/?$/, '/') : ''
  const files = sources.map((source) => (typeof source === 'string' ? sourcePath(root + source, base) : null))
  return { line, column, mappings, files, names: Array.isArray(names) ? names : [] }
}

/** A path where it is a file; `webpack://app/./a.ts` stays as it is. */
function sourcePath(source: string, base: string): string {
  try {
    const url = new URL(source, base)
    return url.protocol === 'file:' ? fileURLToPath(url) : source
  } catch {
    return source
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('it is not an object')
  return value as Record<string, unknown>
}
