import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Depth, ReadingBudget } from '#dist/readings/reading-budget'

const ALLOWANCE = { share: 0.001, onceMs: 600 }

/** One reading a second, of a process whose readings cost that much; gives what was spent by then, and on what. */
function read(seconds: number, cost: Record<Exclude<Depth, 'none'>, number>) {
  const budget = new ReadingBudget(ALLOWANCE, 5000)
  const at: Record<Depth, number[]> = { whole: [], light: [], none: [] }
  let spentMs = 0
  for (let second = 0; second <= seconds; second++) {
    const depth = budget.depth(5000 + second * 1000)
    at[depth].push(second)
    if (depth === 'none') continue
    budget.spent(depth, cost[depth], 5000 + second * 1000)
    spentMs += cost[depth]
  }
  return { spentMs, at }
}

test('a small process is read as a whole each time', () => {
  const { at } = read(3600, { whole: 0.9, light: 0.2 })
  assert.equal(at.whole.length, 3601)
})

test('however dear a reading is, all of them together cost a thousandth of a CPU and the sum that is there at first', () => {
  for (const [whole, light] of [
    [5, 0.5],
    [28, 0.8],
    [150, 4],
    [900, 15],
  ] as const) {
    const { spentMs } = read(36_000, { whole, light })
    // The first whole one is taken unasked.
    assert.ok(spentMs <= 36_000 + 600 + whole, `${spentMs} ms at ${whole} ms each`)
    assert.ok(spentMs >= 0.8 * 36_000 || whole <= 1, `${spentMs} ms at ${whole} ms each`)
  }
})

test('in the first 20 s a heap of a million blocks is walked often enough to see a leak', () => {
  assert.ok(read(20, { whole: 30, light: 1 }).at.whole.length >= 5)
})

test('walks thin out as time goes by, and do not stop', () => {
  for (const [whole, light] of [
    [9, 0.7],
    [30, 1],
    [150, 0.8],
  ] as const) {
    const { at } = read(3600, { whole, light })
    const between = (from: number, to: number) => at.whole.filter((second) => second >= from && second < to).length
    assert.ok(between(0, 60) >= between(60, 120), `${whole} ms each`)
    // Half of what comes in is theirs at least.
    assert.ok(
      between(1800, 3600) >= (0.45 * 1800) / whole,
      `${between(1800, 3600)} in half an hour at ${whole} ms each`,
    )
  }
})

test('a clock that went back allows no walk and breaks nothing', () => {
  const budget = new ReadingBudget(ALLOWANCE, 5000)
  assert.equal(budget.depth(5000), 'whole')
  budget.spent('whole', 10, 5000)
  budget.spent('light', 1, 5000)
  assert.equal(budget.depth(0), 'none')
})
