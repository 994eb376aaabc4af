/**
 * Finds regions in the stacks of V8's heap sampler, which does not know them: a frame of a function that was wrapped is in that
 * function's region. A function and its frames are told by where they begin in which script; the inspector gives that of a
 * function, without debugging being enabled.
 */

import { randomUUID } from 'node:crypto'
import type { AnyFunction } from '../regions/region.js'
import { takeWrapped } from '../regions/wrapped-functions.js'

/** Asks the inspector, on this thread. Throws where it refuses. */
export type Ask = (method: string, parameters: object) => unknown

/** Where a function begins, as V8 counts: from 0. */
export interface Beginning {
  scriptId: string
  lineNumber: number
  columnNumber: number
}

const MOST_BEGINNINGS = 4096
const OBJECTS = 'tidemark'

/** Wrapped more than once, in several regions: its frames do not tell which. */
const AMBIGUOUS = 0

interface Property {
  name: string
  value?: { objectId?: string; value?: unknown }
}

/** Of this thread, by where they begin: ids of regions, for as long as the process runs. */
const regions = new Map<string, number>()

/** Learns where the functions begin that were wrapped since the last time. */
export function learnRegions(ask: Ask): void {
  const wrapped = takeWrapped()
  if (wrapped.length === 0) return
  const beginnings = beginningsOf(
    wrapped.map(({ fn }) => fn),
    ask,
  )
  for (const [i, { region }] of wrapped.entries()) {
    const beginning = beginnings[i]
    if (beginning === undefined) continue
    const place = key(beginning)
    const known = regions.get(place)
    if (known === undefined && regions.size >= MOST_BEGINNINGS) continue
    regions.set(place, known === undefined || known === region ? region : AMBIGUOUS)
  }
}

/** The id of the region of a function; undefined where it has none of its own. */
export function regionOf(beginning: Beginning): number | undefined {
  return regions.get(key(beginning)) || undefined
}

function key({ scriptId, lineNumber, columnNumber }: Beginning): string {
  return `${scriptId}:${lineNumber}:${columnNumber}`
}

/** In the order of `functions`; undefined of what was not written in JavaScript, and of bound functions. */
function beginningsOf(functions: AnyFunction[], ask: Ask): (Beginning | undefined)[] {
  const beginnings: (Beginning | undefined)[] = functions.map(() => undefined)
  // The inspector takes no objects, only names; this one is there while it looks.
  const name = `tidemark ${randomUUID()}`
  Object.defineProperty(globalThis, name, { value: functions, configurable: true })
  try {
    const list = ask('Runtime.evaluate', {
      expression: `globalThis[${JSON.stringify(name)}]`,
      objectGroup: OBJECTS,
      silent: true,
    }) as { result: { objectId: string } }
    const { result: entries } = properties(ask, list.result.objectId)
    for (const { name, value } of entries) {
      if (!/^\d+$/.test(name) || value?.objectId === undefined) continue
      const { internalProperties = [] } = properties(ask, value.objectId)
      const location = internalProperties.find(({ name }) => name === '[[FunctionLocation]]')
      beginnings[Number(name)] = location?.value?.value as Beginning | undefined
    }
  } finally {
    Reflect.deleteProperty(globalThis, name)
    ask('Runtime.releaseObjectGroup', { objectGroup: OBJECTS })
  }
  return beginnings
}

function properties(ask: Ask, objectId: string): { result: Property[]; internalProperties?: Property[] } {
  return ask('Runtime.getProperties', { objectId, ownProperties: true }) as never
}
