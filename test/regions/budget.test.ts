import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Budget, Countdown, uniform } from '#dist/regions/budget'
import { Tally } from '#dist/regions/tally'

const MEASURE_MS = 0.002

/** Simulated time: `call` makes one call that takes `lengthMs`, measured or not, and turns the budget as the timer would. */
class Simulation {
  now = 100
  readonly budget: Budget
  #nextTurn = 1100

  constructor(fraction: number, seed: number) {
    this.budget = new Budget(fraction, this.now, seed)
  }

  region(): Countdown {
    const countdown = new Countdown()
    this.budget.add(countdown)
    return countdown
  }

  /** Returns the chance of the call if it was measured, else 0. */
  call(countdown: Countdown, lengthMs: number): number {
    this.wait(lengthMs)
    if (--countdown.gap >= 0) return 0
    const chance = this.budget.choose(countdown)
    this.now += MEASURE_MS
    this.budget.spend(MEASURE_MS, this.now)
    return chance
  }

  /** Calls one after another until `untilMs`; jumps over those that are not measured. */
  callUntil(untilMs: number, countdown: Countdown, lengthMs: number): void {
    while (this.now < untilMs) {
      const left = Math.ceil((Math.min(untilMs, this.#nextTurn) - this.now) / lengthMs)
      const skipped = Math.min(countdown.gap, Math.max(left - 1, 0))
      countdown.gap -= skipped
      this.wait(skipped * lengthMs)
      this.call(countdown, lengthMs)
    }
  }

  wait(ms: number): void {
    this.now += ms
    if (this.now >= this.#nextTurn) {
      this.#nextTurn += 1000
      this.budget.turn(this.now)
    }
  }
}

test('the first calls are measured for certain', () => {
  const simulation = new Simulation(0.01, 1)
  const region = simulation.region()
  for (let i = 0; i < 10; i++) assert.equal(simulation.call(region, 0.001), 1)
  assert.equal(region.calls, 10)
})

test('a hot tiny region is measured within the budget, and uses most of it', () => {
  const simulation = new Simulation(0.01, 2)
  const region = simulation.region()
  simulation.callUntil(20_000, region, 50e-6)
  const share = simulation.budget.spentMs / simulation.now
  assert.ok(share <= 0.0101, `${share}`)
  assert.ok(share > 0.007, `${share}`)
  assert.ok(region.calls > 300e6)
})

test('bursts that come when it was quiet stay within the budget and one window’s worth of it', () => {
  for (const seed of [3, 4, 5]) {
    const simulation = new Simulation(0.01, seed)
    const regions = [0, 1, 2, 3].map(() => simulation.region())
    const random = uniform(seed)
    while (simulation.now < 60_000) {
      simulation.wait(random() * 3000)
      simulation.callUntil(simulation.now + random() * 500, regions[Math.floor(random() * 4)]!, 1e-4)
      assert.ok(
        simulation.budget.spentMs <= 0.01 * simulation.now + 10 + 10,
        `at ${simulation.now}: ${simulation.budget.spentMs}`,
      )
    }
  }
})

test('beside hot regions a rare one is measured every time', () => {
  const simulation = new Simulation(0.01, 6)
  const hot = [simulation.region(), simulation.region()]
  const rare = simulation.region()
  let measured = 0
  for (let second = 1; second <= 30; second++) {
    simulation.callUntil(second * 1000, hot[0]!, 1e-4)
    simulation.callUntil(second * 1000 + 500, hot[1]!, 2e-4)
    if (simulation.call(rare, 1) === 1) measured++
  }
  assert.equal(rare.calls, 30)
  assert.equal(measured, 30)
  assert.ok(hot[0]!.chance < 0.01)
})

test('what many rare regions leave of their share goes to the hot one', () => {
  const simulation = new Simulation(0.01, 12)
  const hot = simulation.region()
  for (let i = 0; i < 99; i++) simulation.region()
  simulation.callUntil(20_000, hot, 1e-4)
  // An equal share would be a hundredth of the budget.
  assert.ok(simulation.budget.spentMs > 0.007 * simulation.now, `${simulation.budget.spentMs}`)
})

test('a region that has gone quiet is measured every time again', () => {
  const simulation = new Simulation(0.01, 7)
  const region = simulation.region()
  simulation.callUntil(5000, region, 1e-4)
  assert.ok(region.chance < 0.01)
  for (let i = 0; i < 30; i++) simulation.wait(1000)
  assert.equal(region.chance, 1)
  assert.equal(simulation.call(region, 1), 1)
  assert.equal(simulation.budget.sampling, false)
})

test('a budget of 1 measures every call', () => {
  const simulation = new Simulation(1, 8)
  const regions = [simulation.region(), simulation.region()]
  for (let i = 0; i < 200_000; i++) {
    assert.equal(simulation.call(regions[i % 7 === 0 ? 0 : 1]!, i < 100_000 ? 1e-5 : 0.01), 1)
  }
})

test('a change of budget holds from the next call', () => {
  const simulation = new Simulation(1e-6, 9)
  const region = simulation.region()
  for (let i = 0; i < 1000; i++) simulation.call(region, 1e-3)
  assert.ok(region.chance < 0.1)
  simulation.budget.change(1, simulation.now)
  assert.equal(region.chance, 1)
  assert.equal(simulation.call(region, 1e-3), 1)
  assert.equal(region.calls, 1001)
})

/** One run of a program that repeats itself: each tenth call costs 1000, each hundredth gives back 5000; two phases of speed. */
function estimate(seed: number): { sum: number; error: number; truth: number; measured: number } {
  const simulation = new Simulation(0.01, seed)
  const region = simulation.region()
  const tally = new Tally()
  const costs = new Float64Array(8)
  let truth = 0
  let measured = 0
  for (let i = 1; i <= 40_000; i++) {
    costs[0] = i % 100 === 0 ? -5000 : i % 10 === 0 ? 1000 : 1
    truth += costs[0]
    const chance = simulation.call(region, i < 20_000 ? 0.002 : 0.02)
    if (chance === 0) continue
    measured++
    tally.add(costs, 0, 1, chance, 1)
  }
  return { sum: tally.sum(0), error: tally.standardErrors().wallMs, truth, measured }
}

test('estimates are unbiased and their standard errors are right, for a program that repeats itself', () => {
  const runs = Array.from({ length: 400 }, (_, i) => estimate(1000 + i * 7919))
  const { truth } = runs[0]!
  const mean = runs.reduce((sum, run) => sum + run.sum, 0) / runs.length
  const spread = Math.sqrt(runs.reduce((sum, run) => sum + (run.sum - truth) ** 2, 0) / runs.length)
  const stated = Math.sqrt(runs.reduce((sum, run) => sum + run.error ** 2, 0) / runs.length)
  assert.ok(runs.every(({ measured }) => measured < 20_000))
  // The mean of n runs has a standard error of spread/sqrt(n): 4 of them.
  assert.ok(
    Math.abs(mean - truth) < (4 * spread) / Math.sqrt(runs.length),
    `mean ${mean}, truth ${truth}, spread ${spread}`,
  )
  // The variance of 400 runs is known to about sqrt(2/400) = 7 %, its root to 4 %: 5 of them.
  assert.ok(Math.abs(stated / spread - 1) < 0.2, `stated ${stated}, found ${spread}`)
})

test('gaps have the mean and the spread of the geometric distribution', () => {
  const budget = new Budget(0.01, 100, 11)
  const region = new Countdown()
  budget.add(region)
  const gaps: number[] = []
  for (let i = 0; i < 20_000; i++) {
    region.chance = 0.02
    region.gap = -1
    budget.choose(region)
    gaps.push(region.drawn)
  }
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
  // Mean (1-p)/p = 49, standard deviation sqrt(1-p)/p = 49.5; of the mean of 20,000: 0.35.
  assert.ok(Math.abs(mean - 49) < 4 * 0.35, `${mean}`)
  assert.ok(Math.abs(Math.sqrt(variance) / 49.5 - 1) < 0.05, `${Math.sqrt(variance)}`)
})
