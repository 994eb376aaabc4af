/**
 * Shows JavaScript frames where they were written: a TypeScript service has `.ts` lines in its profile.
 * Node's own table of maps comes first (it has one under --enable-source-maps), then the map that the script on disk names, in
 * itself or beside it; nothing is loaded from a network. Maps are large and frames are few, so a map is gone through once for
 * the positions that are wanted and let go; only answers are kept.
 */

import { readFile, stat } from 'node:fs/promises'
import { findSourceMap } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { errorCode } from '../errors.js'
import type { Frame } from './columns.js'
import { isOwnScript } from './site.js'
import { findOrigins, type Origin, type Place } from './source-map-lookup.js'
import { Turns } from './turns.js'

const MOST_SCRIPT_BYTES = 32 << 20
const MOST_MAP_BYTES = 128 << 20
const READ_AT_ONCE = 8

/** Between two looks at the clock. */
const FRAMES_AT_ONCE = 256

/** Answers that are kept, over all scripts. */
const MOST_POSITIONS = 1 << 16
const MOST_SCRIPTS = 1 << 14
const MOST_PROBLEMS = 20

export class SourceMaps {
  /** By script: by `line:column` what stood there, or null. A script without a map has none, and is not looked at again. */
  readonly #answers = new Map<string, Map<string, Origin | null> | 'no map'>()
  readonly #problems = new Set<string>()
  #positions = 0

  /** Maps that could not be read, in sentences. Their scripts show as they run. */
  get problems(): string[] {
    return [...this.#problems]
  }

  /** The frames in their order, those of mapped scripts as they were written. Does not reject. */
  async apply(frames: readonly Frame[]): Promise<Frame[]> {
    const turns = new Turns()
    const wanted = new Map<string, Map<string, Place>>()
    for (const [i, frame] of frames.entries()) {
      if (i % FRAMES_AT_ONCE === 0 && turns.over) await turns.next()
      if (!mayHaveMap(frame) || placesOf(frame).every((place) => this.#known(frame.file, place) !== undefined)) continue
      const ofScript = wanted.get(frame.file) ?? new Map<string, Place>()
      for (const place of placesOf(frame)) ofScript.set(key(place), place)
      wanted.set(frame.file, ofScript)
    }
    const left = wanted.entries()
    const readNext = async () => {
      for (const [script, positions] of left) await this.#resolve(script, [...positions.values()])
    }
    await Promise.all(Array.from({ length: READ_AT_ONCE }, readNext))
    const applied: Frame[] = []
    for (const [i, frame] of frames.entries()) {
      if (i % FRAMES_AT_ONCE === 0 && turns.over) await turns.next()
      applied.push(mayHaveMap(frame) ? this.#moved(frame) : frame)
    }
    this.#forgetOldest()
    return applied
  }

  /** undefined where it has not been looked for. */
  #known(script: string, place: Pick<Place, 'line' | 'column'>): Origin | null | undefined {
    const answers = this.#answers.get(script)
    return answers === 'no map' ? null : answers?.get(key(place))
  }

  #moved(frame: Frame): Frame {
    const origin = this.#known(frame.file, frame) ?? null
    if (origin === null) return frame
    const { file, line, column, name } = origin
    const { call, ...rest } = frame
    const moved = { ...rest, file, line, column, function: name || frame.function }
    const called = call && this.#known(frame.file, call)
    // What a bundler put into the function from elsewhere is no line of its file.
    return called && called.file === file ? { ...moved, call: { line: called.line, column: called.column } } : moved
  }

  async #resolve(script: string, places: Place[]): Promise<void> {
    try {
      const map = await findMap(script)
      if (map === undefined) {
        this.#answers.set(script, 'no map')
        return
      }
      const origins = findOrigins(map.content, map.base, places)
      const before = this.#answers.get(script)
      const answers = before instanceof Map ? before : new Map<string, Origin | null>()
      for (const [i, place] of places.entries()) answers.set(key(place), origins[i] ?? null)
      this.#answers.set(script, answers)
      this.#positions += places.length
    } catch (error) {
      this.#answers.set(script, 'no map')
      if (this.#problems.size < MOST_PROBLEMS) {
        this.#problems.add(
          `the source map of ${script} cannot be used (${errorCode(error)}): its lines are those of the script itself`,
        )
      }
    }
  }

  #forgetOldest(): void {
    for (const [script, answers] of this.#answers) {
      if (this.#positions <= MOST_POSITIONS && this.#answers.size <= MOST_SCRIPTS) return
      if (answers !== 'no map') this.#positions -= answers.size
      this.#answers.delete(script)
    }
  }
}

const ofThisProcess = new SourceMaps()

/** With the answers of earlier profiles of this process. */
export function applySourceMaps(frames: readonly Frame[]): Promise<Frame[]> {
  return ofThisProcess.apply(frames)
}

export function sourceMapProblems(): string[] {
  return ofThisProcess.problems
}

/** tidemark's own scripts have maps, but reading those would be most of what a profile of an idle process holds. */
function mayHaveMap(frame: Frame): boolean {
  return frame.kind === 'js' && frame.line > 0 && frame.file.startsWith('/') && !isOwnScript(frame)
}

function key({ line, column }: Pick<Frame, 'line' | 'column'>): string {
  return `${line}:${column}`
}

/**
 * V8's position of a function is its parameter list, so the name before it is the function's own: where the map names what
 * stands exactly there, a minified name becomes the written one.
 */
function placesOf({ function: name, line, column, call }: Frame): Place[] {
  const begin = { line, column, nameLength: /^[\w$]+$/.test(name) ? name.length : 0 }
  return call ? [begin, { ...call, nameLength: 0 }] : [begin]
}

interface FoundMap {
  content: unknown
  /** The URL that its sources are relative to. */
  base: string
}

/** undefined where the script has none, or is not there to ask. */
async function findMap(script: string): Promise<FoundMap | undefined> {
  const base = pathToFileURL(script).href
  const known = findSourceMap(script)
  if (known !== undefined) return { content: known.payload, base }
  const text = await readBounded(script, MOST_SCRIPT_BYTES).catch(() => undefined)
  const link = text === undefined ? undefined : mapLink(text)
  if (link === undefined) return undefined
  const url = new URL(link, base)
  if (url.protocol === 'data:') return { content: parseMap(decodeDataUrl(link)), base }
  if (url.protocol !== 'file:') return undefined
  // The script may have been shipped without its map: then there is none.
  const map = await readBounded(fileURLToPath(url), MOST_MAP_BYTES).catch((error) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  return map === undefined ? undefined : { content: parseMap(map), base: url.href }
}

/** Anything but a plain file of a sensible size is refused: a link may name a device or a pipe. */
async function readBounded(path: string, mostBytes: number): Promise<string> {
  const stats = await stat(path)
  if (!stats.isFile() || stats.size > mostBytes) throw new Error('no file, or too large')
  return readFile(path, 'utf8')
}

/** The last such comment counts, and only where nothing but comments follows: code may hold the words in a string. */
function mapLink(script: string): string | undefined {
  const at = script.lastIndexOf('sourceMappingURL=')
  if (at < 0) return undefined
  const line = script.lastIndexOf('\n', at) + 1
  if (!/^\s*(?:\/\/|\/\*)[#@]\s*$/.test(script.slice(Math.max(line, at - 16), at))) return undefined
  const [link, ...rest] = script.slice(at + 'sourceMappingURL='.length).split(/\s+|\*\/|$/, 64)
  if (!link || /["'`]/.test(link)) return undefined
  return rest.every((word) => word === '' || word.startsWith('//') || word.startsWith('/*')) ? link : undefined
}

function decodeDataUrl(url: string): string {
  const comma = url.indexOf(',')
  const content = url.slice(comma + 1)
  return url.slice(0, comma).endsWith(';base64')
    ? Buffer.from(content, 'base64').toString()
    : decodeURIComponent(content)
}

/** Maps may begin with a line that keeps browsers from running them. */
function parseMap(text: string): unknown {
  return JSON.parse(text.startsWith(')]}') ? text.slice(text.indexOf('\n')) : text)
}
