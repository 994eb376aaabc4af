/**
 * Where the report finds what regions have allocated. Regions know nothing of profiles: whoever samples allocations tells,
 * and asks here how to call the numbers that it finds in the word of the current region.
 */

import { regions } from './measurement.js'
import type { RegionKind } from './table.js'

/** What one region has allocated while a profile was running, and what of that is not freed: estimates from samples, bytes. */
export interface RegionMemory {
  allocated: number
  live: number
  /** One standard error each. */
  allocatedError: number
  liveError: number
}

type Source = () => ReadonlyMap<string, RegionMemory>

let source: Source | null = null

/** Sets who is asked by each `region.report()`, by name of the region; null when sampling has ended. */
export function setRegionMemory(from: Source | null): void {
  source = from
}

export function regionMemory(): ReadonlyMap<string, RegionMemory> | undefined {
  return source?.()
}

/** The regions of this thread by id, which is what native code sees; the first is no region. */
export function regionIds(): { names: string[]; kinds: RegionKind[] } {
  const all = regions.all()
  return { names: ['', ...all.map(({ name }) => name)], kinds: ['', ...all.map(({ kind }) => kind)] }
}
