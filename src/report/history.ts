/**
 * The picture of a run: a bounded number of points however long it took, for sparklines and the report's chart.
 * Growth is not judged from here; growth/detector.ts reads every reading.
 */

import { OWNERS, type OwnerBytes } from '../owners.js'
import type { AllocatorReading, MemoryLimit, Reading, RegionLine } from '../readings/reading.js'

const MOST_POINTS = 400

export interface Point {
  t: number
  rss: number
  anon: number
  owners: OwnerBytes
}

export class History {
  count = 0
  peakRss = 0
  regions: Record<string, RegionLine> = {}
  limit: MemoryLimit | undefined
  /** As it was found last. */
  allocator: AllocatorReading | undefined
  readonly #all = new Thinned()
  readonly #told = new Thinned()

  add(reading: Reading): void {
    const { t, rss, anon, owners } = reading
    const point = { t, rss, anon, owners }
    this.count++
    this.peakRss = Math.max(this.peakRss, rss)
    this.regions = reading.regions ?? this.regions
    this.limit = reading.limit ?? this.limit
    this.allocator = reading.allocator ?? this.allocator
    this.#all.add(point)
    if (tellsOwners(reading)) this.#told.add(point)
  }

  get first(): Point | undefined {
    return this.#all.first
  }

  get last(): Point | undefined {
    return this.#all.last
  }

  /** In order of time, with the first and the last reading exactly as they were. */
  points(): Point[] {
    return this.#all.points()
  }

  /** The same, of the readings that told owners apart: where they are carried on, what moved since is nobody's. */
  told(): Point[] {
    return this.#told.points()
  }
}

/** Each point stands for equally many readings and is the one with the highest RSS among them: no peak is hidden. */
class Thinned {
  first: Point | undefined
  last: Point | undefined
  #thinned: Point[] = []
  #readingsPerPoint = 1
  #readingsInLast = 0

  add(point: Point): void {
    this.first ??= point
    this.last = point
    const open = this.#thinned.length - 1
    if (this.#readingsInLast > 0 && this.#readingsInLast < this.#readingsPerPoint) {
      this.#thinned[open] = higher(this.#thinned[open]!, point)
      this.#readingsInLast++
      return
    }
    if (this.#thinned.length === MOST_POINTS) {
      this.#thinned = pairs(this.#thinned)
      this.#readingsPerPoint *= 2
    }
    this.#thinned.push(point)
    this.#readingsInLast = 1
  }

  points(): Point[] {
    const { first, last } = this
    if (!first || !last) return []
    const between = this.#thinned.filter((point) => point !== first && point !== last)
    return first === last ? [first] : [first, ...between, last]
  }
}

function pairs(points: Point[]): Point[] {
  const kept: Point[] = []
  for (let i = 0; i < points.length; i += 2) kept.push(higher(points[i]!, points[i + 1] ?? points[i]!))
  return kept
}

function higher(a: Point, b: Point): Point {
  return b.rss > a.rss ? b : a
}

/** The first and the last reading of a process name none; between them some only carry on what an earlier one found. */
function tellsOwners({ owners, carried }: Reading): boolean {
  return OWNERS.some((owner) => owners[owner] !== undefined && !carried?.includes(owner))
}
