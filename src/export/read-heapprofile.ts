/**
 * Reads what V8's sampling heap profiler writes (`node --heap-prof`, Chrome DevTools): bytes that live, by stack. Pure;
 * whatever the text is, it ends in columns or in a ProfileProblem, in bounded memory.
 */

import { fileURLToPath } from 'node:url'
import { type Frame, PROFILE_OWNERS, type ProfileColumns } from '../profile/columns.js'
import { ColumnsBuilder, UNKNOWN_SUMS } from '../profile/columns-builder.js'
import { checkCount, MOST_STACK_FRAMES, ProfileProblem } from './profile-problem.js'

interface Visit {
  node: unknown
  /** Leaf first. */
  callers: { frame: number; next: Visit['callers'] } | null
  depth: number
}

/** @throws {ProfileProblem} */
export function readHeapProfile(text: string): ProfileColumns {
  const frames = new Frames()
  const builder = new ColumnsBuilder()
  let length = 0
  // A stack of visits, not of calls: a hostile file is nested deeper than those can be.
  const visits: Visit[] = [{ node: parse(text), callers: null, depth: 0 }]
  for (let visit = visits.pop(); visit; visit = visits.pop()) {
    const { node, depth } = visit
    // The root is no frame; what it has itself was allocated without a stack.
    const callers = depth === 0 ? null : { frame: frames.of(field(node, 'callFrame')), next: visit.callers }
    const size = field(node, 'selfSize')
    if (typeof size !== 'number') throw new ProfileProblem('a node of it has no selfSize')
    if (size !== 0) {
      length += depth
      checkCount(length, 'frames in its stacks', MOST_STACK_FRAMES)
      builder.add({
        stack: toArray(callers),
        source: 1,
        region: 0,
        thread: 0,
        partial: 0,
        owner: PROFILE_OWNERS.indexOf('js-heap'),
        allocated: UNKNOWN_SUMS,
        live: { ...UNKNOWN_SUMS, bytes: size },
        old: UNKNOWN_SUMS,
      })
      checkCount(builder.length, 'stacks')
    }
    for (const child of children(node)) visits.push({ node: child, callers, depth: depth + 1 })
  }
  return builder.finish({
    startedAt: 0,
    durationMs: 0,
    intervalBytes: 0,
    jsIntervalBytes: 0,
    jsHeapAt: 0,
    oldMs: 0,
    frames: frames.all,
    regions: [''],
    regionKinds: [''],
    threads: [''],
    mappings: [],
    notes: [],
  })
}

function parse(text: string): unknown {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch (error) {
    throw new ProfileProblem(`it is not JSON: ${(error as Error).message}`)
  }
  const head = field(file, 'head')
  if (typeof head !== 'object' || head === null)
    throw new ProfileProblem('it is JSON, but has no head as a .heapprofile has')
  return head
}

function field(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, name)
    ? (object as Record<string, unknown>)[name]
    : undefined
}

function children(node: unknown): unknown[] {
  const list = field(node, 'children') ?? []
  if (!Array.isArray(list)) throw new ProfileProblem('the children of a node of it are no list')
  return list
}

function toArray(callers: Visit['callers']): number[] {
  const stack: number[] = []
  for (let caller = callers; caller; caller = caller.next) stack.push(caller.frame)
  return stack
}

class Frames {
  readonly all: Frame[] = []
  readonly #numbers = new Map<string, number>()

  of(callFrame: unknown): number {
    const name = text(field(callFrame, 'functionName'))
    const file = path(text(field(callFrame, 'url')))
    const line = position(field(callFrame, 'lineNumber'))
    const column = position(field(callFrame, 'columnNumber'))
    const key = `${line}\n${column}\n${name}\n${file}`
    let number = this.#numbers.get(key)
    if (number === undefined) {
      const frame: Frame = { function: name, file, line, column, kind: 'js', inlined: false, mapping: -1, address: 0 }
      number = this.all.push(frame) - 1
      this.#numbers.set(key, number)
    }
    return number
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** From 0-based to 1-based; -1, and what is no number, is unknown. */
function position(value: unknown): number {
  return typeof value === 'number' && value >= 0 && Number.isSafeInteger(value) ? value + 1 : 0
}

function path(url: string): string {
  if (!url.startsWith('file:')) return url
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}
