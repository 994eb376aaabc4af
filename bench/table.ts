/** The rows of a benchmark, judged against their goals, as Markdown. A goal that is missed is said and is no failure. */

import { eachRound, median, type Spread, spread } from './rounds.js'

export interface Row {
  what: string
  tidemark: string
  against: string
  result: string
  goal: string
  verdict: '' | 'ok' | '**missed**'
}

export interface Comparison {
  what: string
  /** Of each round; `theirs` is paired with it. */
  ours: number[]
  theirs: number[]
  /** What `theirs` are. */
  against: string
  /** How the values are printed; nanoseconds when absent. */
  format?: (value: number) => string
}

/** How many times the other side's price ours is; with a goal, at most that. */
export function timesThePrice(comparison: Comparison, goal?: number): Row {
  const ratio = spread(eachRound((a, b) => a / b, comparison.ours, comparison.theirs))
  return row(comparison, withQuartiles(ratio, factor), goal && { text: `≤ ${goal}×`, met: ratio.median <= goal })
}

/** How many times faster ours is; with a goal, at least that. */
export function timesFaster(comparison: Comparison, goal?: number): Row {
  const ratio = spread(eachRound((a, b) => b / a, comparison.ours, comparison.theirs))
  const result = `${withQuartiles(ratio, factor)} faster`
  return row(comparison, result, goal && { text: `≥ ${goal}× faster`, met: ratio.median >= goal })
}

/** How much ours adds to the other; with a goal, at most that. */
export function added(comparison: Comparison, goal?: number): Row {
  const format = comparison.format ?? nanos
  const more = spread(eachRound((a, b) => a - b, comparison.ours, comparison.theirs))
  const result = withQuartiles(more, (value) => `${value < 0 ? '−' : '+'}${format(Math.abs(value))}`)
  return row(comparison, result, goal === undefined ? 0 : { text: `≤ +${format(goal)}`, met: more.median <= goal })
}

/** A value of ours that nothing is compared with; with a goal, at most that. */
export function atMost(
  { what, values, format }: { what: string; values: number[]; format: (value: number) => string },
  goal?: number,
): Row {
  return {
    what,
    tidemark: withQuartiles(spread(values), format),
    against: '',
    result: '',
    goal: goal === undefined ? '' : `≤ ${format(goal)}`,
    verdict: goal === undefined ? '' : median(values) <= goal ? 'ok' : '**missed**',
  }
}

export function notMeasured(what: string, why: string): Row {
  return { what, tidemark: '', against: '', result: `not measured: ${why}`, goal: '', verdict: '' }
}

function row(comparison: Comparison, result: string, goal?: { text: string; met: boolean } | 0): Row {
  const format = comparison.format ?? nanos
  return {
    what: comparison.what,
    tidemark: format(median(comparison.ours)),
    against: `${format(median(comparison.theirs))} ${comparison.against}`,
    result,
    goal: goal ? goal.text : '',
    verdict: goal ? (goal.met ? 'ok' : '**missed**') : '',
  }
}

export function markdown(rows: Row[]): string {
  const lines = rows.map((r) => [r.what, r.tidemark, r.against, r.result, r.goal, r.verdict])
  return [
    ['', 'tidemark', 'against', 'tidemark compared', 'goal', ''],
    ['---', '---:', '---', '---', '---', '---'],
    ...lines,
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function withQuartiles({ low, median, high }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(low)} to ${format(high)})`
}

function factor(value: number): string {
  return `${digits(value)}×`
}

export function nanos(value: number): string {
  if (value < 1e3) return `${digits(value)} ns`
  return value < 1e6 ? `${digits(value / 1e3)} µs` : `${digits(value / 1e6)} ms`
}

/** Three significant digits. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
