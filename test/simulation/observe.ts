/** Shows a simulated process to the real detector, reading by reading, and notes what it said. */

import { Detector } from '#dist/growth/detector'
import type { VerdictKind } from '#dist/growth/verdict'
import type { Owner, OwnerBytes } from '#dist/owners'
import type { Reading } from '#dist/readings/reading'
import type { Process } from './models.js'

const MIB = 2 ** 20

export interface Watching {
  /** How long, in seconds; there is a reading in each, and the verdict is looked at after each. */
  seconds: number
  /** Ends with the first look that said leak. */
  untilAlarm?: boolean
  /** Seconds at which the kind is noted. */
  horizons?: number[]
}

export interface Observed {
  /** Second of the first look that said leak; Infinity for never. */
  leakAt: number
  /** The same for a leak that is not "unless still warming up". */
  certainAt: number
  /** Second of the last look that said leak. */
  lastAt: number
  /** What it said at each horizon, and whether that was with the caveat. */
  kinds: { kind: VerdictKind; caveat: boolean }[]
}

export function observe(process: Process, { seconds, untilAlarm, horizons = [] }: Watching): Observed {
  const detector = new Detector()
  const observed: Observed = {
    leakAt: Number.POSITIVE_INFINITY,
    certainAt: Number.POSITIVE_INFINITY,
    lastAt: Number.NaN,
    kinds: [],
  }
  for (let second = 0; second <= seconds; second++) {
    detector.add(readingAt(second, process))
    const { kind } = detector.verdict()
    const caveat = kind === 'leak' && hasCaveat(detector)
    if (horizons.includes(second)) observed.kinds.push({ kind, caveat })
    if (kind !== 'leak') continue
    observed.leakAt = Math.min(observed.leakAt, second)
    observed.lastAt = second
    if (!caveat) observed.certainAt = Math.min(observed.certainAt, second)
    if (untilAlarm) break
  }
  return observed
}

/** What each of the readings after `age` seconds costs, and the verdict after each. In µs. */
export function priceAt(process: Process, age: number, readings: number): { add: number[]; verdict: number[] } {
  const detector = new Detector()
  const prices = { add: [] as number[], verdict: [] as number[] }
  for (let second = 0; second <= age + readings; second++) {
    const reading = readingAt(second, process)
    const began = performance.now()
    detector.add(reading)
    const added = performance.now()
    if (second <= age) continue
    detector.verdict()
    prices.add.push((added - began) * 1000)
    prices.verdict.push((performance.now() - added) * 1000)
  }
  return prices
}

function hasCaveat(detector: Detector): boolean {
  return detector.trends().every(({ kind, mayBeWarmUp }) => kind !== 'leak' || mayBeWarmUp)
}

function readingAt(second: number, { owners, every, floors }: Process): Reading {
  const bytes: OwnerBytes = {}
  let rss = 0
  const floor = floors && isDue(second, floors.everySeconds) ? floors.curve(second) * MIB : undefined
  for (const [owner, curve] of Object.entries(owners) as [Owner, (second: number) => number][]) {
    const value = curve(second) * MIB
    rss += value
    if (isDue(second, every?.[owner] ?? 0)) bytes[owner] = value
  }
  return {
    t: 1.7e12 + second * 1000,
    rss,
    anon: rss,
    file: 0,
    shmem: 0,
    swap: 0,
    owners: bytes,
    ...(floor !== undefined && { majorGc: { count: 1, usedAfter: floor } }),
  }
}

/** Something that happens every so many seconds shows in the first reading after it. */
function isDue(second: number, everySeconds: number): boolean {
  return everySeconds === 0 || Math.floor(second / everySeconds) > Math.floor((second - 1) / everySeconds)
}
