/**
 * Memory by owner over time, as stacked areas in one inline SVG. Pure.
 * The SVG holds shapes only and stretches to any width; labels are HTML beside it, so that text never stretches.
 * Owners that grew lie on top: a flat base shows growth where an area that rides on another's waves would hide it.
 */

import { OWNERS, type Owner } from '../owners.js'
import { formatBytes, formatDuration } from '../units.js'
import type { History, Point } from './history.js'
import { Html, html } from './html.js'

/** The side of the viewBox, in both directions. */
const SIDE = 1000

/** Of RSS; what is thinner has its numbers in the table and no place in the legend. */
const LEAST_SHARE = 0.005

export interface ChartData {
  /** RSS at every point. */
  points: Point[]
  /** Points that tell owners apart; the areas are drawn over these. */
  told: Point[]
  /** From the bottom of the stack to its top. */
  owners: Owner[]
  /** Those of them that are thick enough to be seen. */
  shown: Owner[]
  limitBytes: number | undefined
}

export function chartData(history: History, limitBytes: number | undefined): ChartData {
  const points = history.points()
  const told = history.told()
  const first = told[0]
  const last = told.at(-1)
  const change = (owner: Owner) => (last?.owners[owner] ?? 0) - (first?.owners[owner] ?? 0)
  const owners = OWNERS.filter((owner) => told.some((point) => (point.owners[owner] ?? 0) > 0))
  owners.sort((a, b) => change(a) - change(b))
  const shown = owners.filter((owner) => told.some((point) => (point.owners[owner] ?? 0) >= point.rss * LEAST_SHARE))
  return { points, told, owners, shown, limitBytes }
}

export function renderChart({ points, told, owners, limitBytes }: ChartData): Html {
  const start = points[0]!.t
  const span = Math.max(points.at(-1)!.t - start, 1)
  const peak = Math.max(...points.map((point) => point.rss), 1)
  // A limit far above the process would press the picture flat.
  const limit = limitBytes !== undefined && limitBytes <= peak * 1.6 ? limitBytes : undefined
  const bytes = ticks(Math.max(peak, limit ?? 0) * 1.04, binarySteps)
  const top = bytes.top
  const x = (t: number) => coordinate((t - start) / span)
  const y = (value: number) => coordinate(1 - value / top)
  const line = (of: { t: number; value: number }[]) => of.map(({ t, value }) => `${x(t)} ${y(value)}`).join('L')

  const base = told.map(() => 0)
  const areas = owners.map((owner) => {
    const lower = told.map((point, i) => ({ t: point.t, value: base[i]! }))
    const upper = told.map((point, i) => ({ t: point.t, value: base[i]! + Math.max(0, point.owners[owner] ?? 0) }))
    for (const [i, { value }] of upper.entries()) base[i] = value
    return html`<path class="area" style="fill:var(--${owner})" d="M${line(upper)}L${line(lower.reverse())}Z"/>`
  })
  const rss = points.map((point) => ({ t: point.t, value: point.rss }))
  const times = ticks(span, timeSteps)

  return html`<div class="plot">
<svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" role="img" aria-label="Resident memory by owner over ${formatDuration(span)}, from ${formatBytes(points[0]!.rss)} to ${formatBytes(points.at(-1)!.rss)}">
${bytes.at.map((value) => html`<path class="grid" d="M0 ${y(value)}H${SIDE}"/>`)}
${areas}
<path class="rss" d="M${line(rss)}"/>
${limit === undefined ? null : html`<path class="limit" d="M0 ${y(limit)}H${SIDE}"/>`}
</svg>
${bytes.at.map((value) => html`<span class="y" style="bottom:${percent(value / top)}">${formatBytes(value)}</span>`)}
${times.at.map((value) => html`<span class="x" style="left:${percent(value / span)}">${value === 0 ? '0' : formatDuration(value)}</span>`)}
${limit === undefined ? null : html`<span class="limit-label" style="bottom:${percent(limit / top)}">limit ${formatBytes(limit)}</span>`}
<i class="cursor" hidden></i><div class="tip" hidden></div>
</div>`
}

/** What the hover read-out needs: columns of numbers, rounded to bytes and milliseconds, where owners are told apart. */
export function hoverData({ points, told, shown }: ChartData): unknown {
  const start = points[0]!.t
  const read = told.length > 0 ? told : points
  const column = (value: (point: Point) => number | undefined) =>
    read.map((point) => {
      const number = value(point)
      return number === undefined || !Number.isFinite(number) ? null : Math.round(number)
    })
  return {
    t: column((point) => point.t - start),
    rss: column((point) => point.rss),
    owners: shown.map((owner) => ({ name: owner, bytes: column((point) => point.owners[owner]) })).reverse(),
  }
}

export function swatch(owner: Owner): Html {
  return html`<i class="swatch" style="background:var(--${owner})"></i>`
}

const MOST_TICKS = 6

function ticks(most: number, steps: () => Generator<number>): { at: number[]; top: number } {
  for (const step of steps()) {
    if (most / step > MOST_TICKS) continue
    return { at: Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step), top: most }
  }
  return { at: [0], top: most }
}

function* binarySteps(): Generator<number> {
  for (let step = 1024; step < 2 ** 60; step *= 2) yield step
}

function* timeSteps(): Generator<number> {
  const second = 1000
  const minute = 60 * second
  const hour = 60 * minute
  yield* [10, 20, 50, 100, 200, 500]
  yield* [1, 2, 5, 10, 20, 30].map((n) => n * second)
  yield* [1, 2, 5, 10, 20, 30].map((n) => n * minute)
  yield* [1, 2, 4, 6, 12].map((n) => n * hour)
  for (let day = 24 * hour; day < 2 ** 53; day *= 2) yield day
}

function coordinate(fraction: number): number {
  return Math.round(Math.min(1, Math.max(0, fraction)) * SIDE * 10) / 10
}

function percent(fraction: number): Html {
  return new Html(`${(fraction * 100).toFixed(2)}%`)
}
