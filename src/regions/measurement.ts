/**
 * What one measured call cost, put into the tallies of its region and of the region around it.
 * Every measured call reads memory, faults, CPU and the clock at both ends. Some are close-ups: they also read V8's heap, and are
 * rehearsed with an empty call, to take off what measuring itself shows: divided by the chance of a hot call, a microsecond or a
 * few hundred bytes of our own would become minutes and gigabytes.
 */

import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers'
import { getHeapStatistics } from 'node:v8'
import { binding, out } from '../binding.js'
import { OUT } from '../seam.js'
import { Budget, WINDOW_MS } from './budget.js'
import { Region, RegionTable } from './table.js'
import { COST_NAMES, HEAP } from './tally.js'

const DEFAULT_BUDGET = 0.01

/** The first measured calls of a region are all close-ups, later ones with CLOSE_UP_CHANCE, for a close-up costs twice as much. */
const CLOSE_UPS_FIRST = 16
const CLOSE_UP_CHANCE = 1 / 128

/** Ended measurements kept to be used again; as many as are open at once in most programs. */
const MOST_SPARE = 64

export const budget = new Budget(DEFAULT_BUDGET, performance.now(), process.pid ^ Date.now())
export const regions = new RegionTable((region) => budget.add(region))

/** The latest nine values of a time that is much longer when it is interrupted, finds cold caches, or is not compiled yet. */
class Latest {
  median = 0
  least = 0
  #values: number[] = []

  see(value: number): void {
    if (this.#values.push(value) > 9) this.#values.shift()
    const ascending = this.#values.toSorted((a, b) => a - b)
    this.median = ascending[ascending.length >> 1]!
    this.least = ascending[0]!
  }
}

/** The region of rehearsals: calls with nothing in them, which show what measuring itself costs. In no report. */
export const rehearsal = new Region(0, 'rehearsal')
rehearsal.closeUpChance = 1

/** What an empty call shows: the least, because rehearsals are rare and find colder caches than the calls that they stand for. */
const emptyCallMs = new Latest()
/** What measuring a call takes. */
const measuringMs = new Latest()

/** The costs of the call that ends now, and those of the latest rehearsal, in the order of COST_NAMES. */
const costs = new Float64Array(COST_NAMES.length)
const rehearsed = new Float64Array(COST_NAMES.length)

/** Measurements are used again: new ones would show in the heap that is being measured. */
const spare: Measurement[] = []

/** What a measurement knows at the beginning: readings in the order of COST_NAMES (the clock for `wallMs`), then these. */
const PEAK = COST_NAMES.length
/** Times that the thread had to wait, for a CPU or for anything else. */
const SWITCHES = PEAK + 1
/** Close-up: when it began to read the heap; when it had read it; when it began to read it at the end. */
const BEGAN = PEAK + 2
const OPENED = PEAK + 3
const CLOSED = PEAK + 4
/** Time spent on measuring: by all calls, when this one began; by calls inside this one. */
const SPENT = PEAK + 5
const NESTED = PEAK + 6
const NOT_SUSPENDED = -1

/** Decides whether the call of `region` that is to be measured next is a close-up; then a rehearsal must come before it. */
export function isCloseUp(region: Region): boolean {
  region.closeUpChance = region.heapMeasured < CLOSE_UPS_FIRST ? 1 : budget.toss(CLOSE_UP_CHANCE) ? CLOSE_UP_CHANCE : 0
  if (region.closeUpChance === 0) return false
  rehearsal.gap = -1
  return true
}

export class Measurement {
  #before = new Float64Array(NESTED + 1)
  #region!: Region
  #parent: Region | undefined
  #outermost = true
  #chance = 1
  /** 0 when this is no close-up. */
  #closeUpChance = 0
  #ownHeap = 0
  #ownExternal = 0

  /** @param outermost not inside another call of the same region, whose total already has all of this one */
  static begin(region: Region, parent: Region | undefined, outermost: boolean): Measurement {
    const measurement = spare.pop() ?? new Measurement()
    measurement.#region = region
    measurement.#parent = parent
    measurement.#outermost = outermost
    measurement.#begin(region)
    return measurement
  }

  #begin(region: Region): void {
    const before = this.#before
    this.#chance = budget.choose(region)
    this.#closeUpChance = region.closeUpChance
    this.#ownHeap = rehearsed[HEAP]!
    this.#ownExternal = rehearsed[HEAP + 1]!
    before[SPENT] = budget.spentMs
    before[NESTED] = NOT_SUSPENDED
    if (this.#closeUpChance > 0) {
      before[BEGAN] = performance.now()
      const heap = getHeapStatistics()
      before[HEAP] = heap.used_heap_size
      before[HEAP + 1] = heap.external_memory
      before[OPENED] = performance.now()
    }
    binding.readRegionEdge()
    before[1] = out[OUT.userCpuMs]! + out[OUT.systemCpuMs]!
    before[2] = out[OUT.rss]!
    before[3] = out[OUT.anon]!
    before[4] = out[OUT.minorFaults]!
    before[5] = out[OUT.majorFaults]!
    before[PEAK] = out[OUT.peakRss]!
    before[SWITCHES] = out[OUT.voluntarySwitches]! + out[OUT.involuntarySwitches]!
    before[0] = performance.now()
  }

  /** Sets `costs`. */
  #close(endMs: number): void {
    binding.readRegionEdge()
    const before = this.#before
    const measuredInsideMs = before[NESTED]! >= 0 ? before[NESTED]! : budget.spentMs - before[SPENT]!
    const wallMs = endMs - before[0]! - measuredInsideMs
    costs[0] = wallMs
    // The kernel counts a thread's CPU time by its tick, some ms, but counts every switch: without one, all time was CPU time.
    const switched = out[OUT.voluntarySwitches]! + out[OUT.involuntarySwitches]! !== before[SWITCHES]
    const countedMs = out[OUT.userCpuMs]! + out[OUT.systemCpuMs]! - before[1]! - measuredInsideMs
    costs[1] = switched ? Math.min(Math.max(countedMs, 0), wallMs) : wallMs
    costs[2] = out[OUT.rss]! - before[2]!
    costs[3] = out[OUT.anon]! - before[3]!
    costs[4] = out[OUT.minorFaults]! - before[4]!
    costs[5] = out[OUT.majorFaults]! - before[5]!
    if (this.#closeUpChance > 0) {
      before[CLOSED] = performance.now()
      const heap = getHeapStatistics()
      costs[HEAP] = heap.used_heap_size - before[HEAP]!
      costs[HEAP + 1] = heap.external_memory - before[HEAP + 1]!
    }
  }

  /** The call's synchronous part is over: what is measured from now on is not measured inside it. */
  suspend(): void {
    this.#before[NESTED] = budget.spentMs - this.#before[SPENT]!
  }

  finish(endMs: number, overlapped: boolean): void {
    const before = this.#before
    const rehearses = this.#region === rehearsal
    this.#close(endMs)
    if (rehearses) this.#learn(endMs)
    else this.#tally(overlapped)
    const costMs =
      this.#closeUpChance > 0 ? before[0]! - before[BEGAN]! + performance.now() - endMs : measuringMs.median
    if (spare.length < MOST_SPARE) spare.push(this)
    if (rehearses) budget.charge(costMs)
    else if (budget.spend(costMs, endMs + costMs)) keepTurning()
  }

  #tally(overlapped: boolean): void {
    const region = this.#region
    costs[0]! -= emptyCallMs.least
    costs[1]! -= emptyCallMs.least
    this.#record(0, HEAP, this.#chance)
    const peakRss = out[OUT.peakRss]!
    region.peakRise += peakRss - this.#before[PEAK]!
    if (!(peakRss <= region.peakRss)) region.peakRss = peakRss
    region.measured++
    if (overlapped) region.overlapped++
    if (this.#closeUpChance === 0) return
    costs[HEAP]! -= this.#ownHeap
    costs[HEAP + 1]! -= this.#ownExternal
    region.heapMeasured++
    this.#record(HEAP, COST_NAMES.length, this.#chance * this.#closeUpChance)
  }

  #learn(endMs: number): void {
    const before = this.#before
    emptyCallMs.see(costs[0]!)
    measuringMs.see(before[0]! - before[OPENED]! + before[CLOSED]! - endMs)
    rehearsed.set(costs)
  }

  /**
   * Self is total less the children: what this call adds to its own region it takes off the self of the region around it.
   * Estimates are linear, so that both stay unbiased although parent and child are chosen separately.
   */
  #record(from: number, to: number, chance: number): void {
    const region = this.#region
    if (this.#outermost) region.total.add(costs, from, to, chance, 1)
    if (this.#parent === region) return
    region.self.add(costs, from, to, chance, 1)
    this.#parent?.self.add(costs, from, to, chance, -1)
  }
}

let turning = false

/** While some calls go unmeasured, a region that has gone quiet must not wait out a gap that was drawn for its busy time. */
export function keepTurning(): void {
  if (turning || !budget.sampling) return
  turning = true
  setTimeout(() => {
    turning = false
    budget.turn(performance.now())
    keepTurning()
  }, WINDOW_MS).unref()
}
