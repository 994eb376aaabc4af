/** The regions of this thread, by name and by id. Bounded: names that are made up as the program runs must not become a leak. */

import { TidemarkError } from '../errors.js'
import { Countdown } from './budget.js'
import { Tally } from './tally.js'

export const MAX_NAMES = 1024
const MAX_NAME_LENGTH = 200
export const OTHER = '(other)'

/** What a region was declared to be: memory that a cache keeps is kept on purpose. */
export type RegionKind = '' | 'cache'

export interface RegionOptions {
  /** `cache`: what is allocated here may be kept. It is then named as a cache's, and not accused of leaking. Holds from then on. */
  kind?: 'cache'
}

export class Region extends Countdown {
  readonly id: number
  readonly name: string
  kind: RegionKind = ''
  readonly total = new Tally()
  readonly self = new Tally()
  measured = 0
  heapMeasured = 0
  /** The chance with which the next measured call was chosen to be a close-up; 0 when it was not. */
  closeUpChance = 0
  overlapped = 0
  peakRss = Number.NaN
  peakRise = 0

  constructor(id: number, name: string) {
    super()
    this.id = id
    this.name = name
  }
}

export class RegionTable {
  /** By id; ids start at 1 and 0 is no region, so the first place is empty. */
  readonly byId: (Region | undefined)[] = [undefined]
  #byName = new Map<string, Region>()
  #latest: Region | undefined
  #other: Region | undefined
  #onAdd: (region: Region) => void

  constructor(onAdd: (region: Region) => void) {
    this.#onAdd = onAdd
  }

  /** The region of that name, made if need be; beyond MAX_NAMES names, the one region that stands for all others. */
  find(name: string): Region {
    // A loop asks for one region again and again, and comparing two literals is 7 ns cheaper than the Map.
    const latest = this.#latest
    if (latest !== undefined && latest.name === name) return latest
    const region = this.#byName.get(name) ?? this.#meet(name)
    this.#latest = region
    return region
  }

  /** Once a cache, always a cache: wherever else the name is used, it need not be said again. */
  declare(region: Region, { kind }: RegionOptions): void {
    if (kind === undefined) return
    if (kind !== 'cache') {
      throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `a region's kind is 'cache' or left out, not '${String(kind)}'`)
    }
    region.kind = kind
  }

  all(): Region[] {
    return this.byId.slice(1) as Region[]
  }

  #meet(name: unknown): Region {
    if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH) {
      const given = typeof name === 'string' ? `${name.length} characters` : typeof name
      throw new TidemarkError(
        'ERR_TIDEMARK_ARGUMENT',
        `a region's name is a string of 1 to ${MAX_NAME_LENGTH} characters, not ${given}: name the operation, not its input`,
      )
    }
    if (this.#byName.size >= MAX_NAMES || name === OTHER) {
      this.#other ??= this.#add(OTHER)
      return this.#other
    }
    const region = this.#add(name)
    this.#byName.set(name, region)
    return region
  }

  #add(name: string): Region {
    const region = new Region(this.byId.length, name)
    this.byId.push(region)
    this.#onAdd(region)
    return region
  }
}
