/**
 * The old `diff pmap.1 pmap.2`, joined by address. A mapping that was split by mprotect, or merged with a neighbour, is
 * one change and not a disappearance and two arrivals: mappings of one name whose address ranges overlap across the two
 * tables are taken together.
 */

import type { Owner } from '../owners.js'
import type { Mapping } from './mapping.js'

export interface MappingChange {
  start: number
  end: number
  /** Of the later mappings where there are any. */
  perms: string
  name: string
  owner: Owner
  /** Anonymous bytes, then and now. */
  before: number
  after: number
  delta: number
  /** How many mappings lay here, then and now: they differ after a split or a merge. */
  mappingsBefore: number
  mappingsAfter: number
}

/** Each list by size of change, largest first. Bytes are anonymous bytes. */
export interface MappingsDiff {
  appeared: MappingChange[]
  grew: MappingChange[]
  shrank: MappingChange[]
  gone: MappingChange[]
  /** Net change over all mappings. */
  anonDelta: number
}

function byName(rows: readonly Mapping[]): Map<string, Mapping[]> {
  const groups = new Map<string, Mapping[]>()
  for (const m of rows) {
    const group = groups.get(m.name)
    if (group) group.push(m)
    else groups.set(m.name, [m])
  }
  return groups
}

/** Walks both lists by address and gives each run of overlapping mappings as one change. */
function changesOf(earlier: readonly Mapping[], later: readonly Mapping[]): MappingChange[] {
  const changes: MappingChange[] = []
  let open: MappingChange | null = null
  let a = 0
  let b = 0
  while (a < earlier.length || b < later.length) {
    const isLater = a >= earlier.length || (b < later.length && later[b]!.start < earlier[a]!.start)
    const m: Mapping = isLater ? later[b++]! : earlier[a++]!
    if (open === null || m.start >= open.end) {
      open = {
        start: m.start,
        end: m.end,
        perms: m.perms,
        name: m.name,
        owner: m.owner,
        before: 0,
        after: 0,
        delta: 0,
        mappingsBefore: 0,
        mappingsAfter: 0,
      }
      changes.push(open)
    }
    open.end = Math.max(open.end, m.end)
    if (isLater) {
      if (open.mappingsAfter === 0) {
        open.perms = m.perms
        open.owner = m.owner
      }
      open.after += m.anon
      open.mappingsAfter++
    } else {
      open.before += m.anon
      open.mappingsBefore++
    }
    open.delta = open.after - open.before
  }
  return changes
}

/** Both tables in address order. */
export function diffMappings(earlier: readonly Mapping[], later: readonly Mapping[]): MappingsDiff {
  const then = byName(earlier)
  const now = byName(later)
  const changes: MappingChange[] = []
  for (const name of new Set([...then.keys(), ...now.keys()])) {
    changes.push(...changesOf(then.get(name) ?? [], now.get(name) ?? []))
  }
  const moved = changes.filter((c) => c.delta !== 0).sort((x, y) => Math.abs(y.delta) - Math.abs(x.delta))
  return {
    appeared: moved.filter((c) => c.mappingsBefore === 0),
    grew: moved.filter((c) => c.mappingsBefore > 0 && c.mappingsAfter > 0 && c.delta > 0),
    shrank: moved.filter((c) => c.mappingsBefore > 0 && c.mappingsAfter > 0 && c.delta < 0),
    gone: moved.filter((c) => c.mappingsAfter === 0),
    anonDelta: changes.reduce((sum, c) => sum + c.delta, 0),
  }
}
