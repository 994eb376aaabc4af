/**
 * The picture of a run: a bounded number of points however long it took, for sparklines and the report's chart.
 * Each point stands for equally many readings and is the one with the highest RSS among them, so thinning never
 * hides a peak. Growth is not judged from here; growth/detector.ts reads every reading.
 */

import { OWNERS, type OwnerBytes } from '../owners.js'
import type { AllocatorReading, MemoryLimit, Reading, RegionLine } from '../readings/reading.js'

const MOST_POINTS = 400

export interface Point {
  t: number
  rss: number
  anon: number
  /** Empty where the reading did not tell owners apart: the first and the last of a process. */
  owners: OwnerBytes
}

export class History {
  count = 0
  first: Point | undefined
  last: Point | undefined
  peakRss = 0
  regions: Record<string, RegionLine> = {}
  limit: MemoryLimit | undefined
  /** As it was found last. */
  allocator: AllocatorReading | undefined
  #thinned: Point[] = []
  #readingsPerPoint = 1
  #readingsInLast = 0

  add(reading: Reading): void {
    const { t, rss, anon, owners } = reading
    const point = { t, rss, anon, owners }
    this.count++
    this.first ??= point
    this.last = point
    this.peakRss = Math.max(this.peakRss, rss)
    this.regions = reading.regions ?? this.regions
    this.limit = reading.limit ?? this.limit
    this.allocator = reading.allocator ?? this.allocator
    this.#keep(point)
  }

  /** In order of time, with the first and the last reading exactly as they were. */
  points(): Point[] {
    const { first, last } = this
    if (!first || !last) return []
    const between = this.#thinned.filter((point) => point !== first && point !== last)
    return first === last ? [first] : [first, ...between, last]
  }

  #keep(point: Point): void {
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
}

function pairs(points: Point[]): Point[] {
  const kept: Point[] = []
  for (let i = 0; i < points.length; i += 2) kept.push(higher(points[i]!, points[i + 1] ?? points[i]!))
  return kept
}

function higher(a: Point, b: Point): Point {
  return b.rss > a.rss ? b : a
}

export function hasOwners(point: Point): boolean {
  return OWNERS.some((owner) => point.owners[owner] !== undefined)
}
