/** Regions as rows of numbers, as lines of the timeline, and as a table for people. Pure. */

import type { RegionLine } from '../readings/reading.js'
import { formatBytes, formatDuration } from '../units.js'
import type { RegionMemory } from './memory.js'
import { MAX_NAMES, OTHER, type Region, type RegionKind } from './table.js'
import type { RegionCost } from './tally.js'

export interface RegionRow {
  name: string
  /** As it was declared. */
  kind: RegionKind
  /** All calls, and how many of them were measured; the costs are estimates over all from those. */
  calls: number
  measured: number
  /** Measured calls that also read V8's heap: `heap` and `external` come from these. */
  heapMeasured: number
  /** Measured calls during which other regions ran: what the process gained in them is not all theirs. */
  overlapped: number
  /** Largest peak RSS of the process at the end of a measured call, bytes; NaN if none was. */
  peakRss: number
  /** How far the peak rose during measured calls, bytes; of these alone, and of nested ones once in each region. */
  peakRise: number
  /** With everything that ran inside the region. A region inside itself counts once. */
  total: RegionCost
  /** Without the regions directly inside it: what is left is this region's own code. */
  self: RegionCost
  /** One standard error of each estimate; 0 where every call was measured. Means little below about 10 measured calls. */
  totalError: RegionCost
  selfError: RegionCost
  /**
   * Bytes allocated while this region was the current one and a profile was running, freed or not, and those of them that are live;
   * from samples, and right also where regions overlap. NaN where no profile is running.
   */
  allocatedBytes: number
  liveBytes: number
  /** One standard error of each. */
  allocatedBytesError: number
  liveBytesError: number
}

export class RegionReport {
  /** Largest growth of anonymous memory by the region's own code first (of RSS where anonymous memory is not known). */
  readonly rows: RegionRow[]
  /** Share of wall time that measuring may take, and the share it has taken since the thread started. */
  readonly budget: number
  readonly overhead: number

  constructor(
    regions: Region[],
    budget: number,
    spentMs: number,
    elapsedMs: number,
    memory?: ReadonlyMap<string, RegionMemory>,
  ) {
    this.rows = regions
      .map((region) => toRow(region, memory && (memory.get(region.name) ?? NOTHING)))
      .sort((a, b) => growth(b) - growth(a))
    this.budget = budget
    this.overhead = spentMs / elapsedMs
  }

  /** A table; `±` is one standard error, `-` is not known. */
  toText(): string {
    if (this.rows.length === 0) return 'No region was entered.\n'
    const sampled = this.rows.some(({ allocatedBytes }) => !Number.isNaN(allocatedBytes))
    const header = sampled ? [...HEADER, ...SAMPLED_HEADER] : HEADER
    const table = [header, ...this.rows.map((row) => (sampled ? [...cells(row), ...sampledCells(row)] : cells(row)))]
    const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
    const lines = table.map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    return `${[...lines, '', ...this.#notes()].join('\n')}\n`
  }

  #notes(): string[] {
    const percent = (fraction: number) => `${Number((fraction * 100).toPrecision(2))} %`
    const notes = [`Measuring took ${percent(this.overhead)} of wall time; the budget is ${percent(this.budget)}.`]
    if (this.rows.some(({ overlapped }) => overlapped > 0)) {
      notes.push(
        'overlapped: measured calls during which other regions ran; their growth is the process’s, not all their own.',
      )
    }
    if (this.rows.some(({ name }) => name === OTHER)) {
      notes.push(
        `${OTHER}: names beyond the first ${MAX_NAMES} are counted together; name the operation, not its input.`,
      )
    }
    return notes
  }
}

/** Growth, wall time and CPU so far: cheap enough for every line of the timeline. */
export function lines(regions: Region[]): Record<string, RegionLine> {
  return Object.fromEntries(
    regions.map(({ name, calls, measured, total }) => {
      const { wallMs, cpuMs, rss, anon } = total.sums()
      return [name, { calls, measured, wallMs, cpuMs, rss, anon }]
    }),
  )
}

/** Of a region of which no allocation was sampled. */
const NOTHING: RegionMemory = { allocated: 0, live: 0, allocatedError: 0, liveError: 0 }
const UNKNOWN: RegionMemory = {
  allocated: Number.NaN,
  live: Number.NaN,
  allocatedError: Number.NaN,
  liveError: Number.NaN,
}

function toRow(region: Region, memory = UNKNOWN): RegionRow {
  const { name, kind, calls, measured, heapMeasured, overlapped, peakRss, peakRise, total, self } = region
  return {
    name,
    kind,
    calls,
    measured,
    heapMeasured,
    overlapped,
    peakRss,
    peakRise,
    total: total.sums(),
    self: self.sums(),
    totalError: total.standardErrors(),
    selfError: self.standardErrors(),
    allocatedBytes: memory.allocated,
    liveBytes: memory.live,
    allocatedBytesError: memory.allocatedError,
    liveBytesError: memory.liveError,
  }
}

function growth({ self }: RegionRow): number {
  return Number.isNaN(self.anon) ? self.rss : self.anon
}

const HEADER = [
  'region',
  'calls',
  'measured',
  'wall',
  'cpu',
  'anon self',
  'anon total',
  'rss total',
  'peak',
  'faults minor/major',
  'heap self',
  'external self',
  'overlapped',
]

const SAMPLED_HEADER = ['allocated', 'live']

function sampledCells({ allocatedBytes, liveBytes, allocatedBytesError, liveBytesError }: RegionRow): string[] {
  return [bytes(allocatedBytes, allocatedBytesError), bytes(liveBytes, liveBytesError)]
}

function cells({ name, total, self, totalError, selfError, ...row }: RegionRow): string[] {
  return [
    name,
    count(row.calls),
    count(row.measured),
    duration(total.wallMs, totalError.wallMs),
    duration(total.cpuMs, totalError.cpuMs),
    bytes(self.anon, selfError.anon),
    bytes(total.anon, totalError.anon),
    bytes(total.rss, totalError.rss),
    Number.isNaN(row.peakRss) ? '-' : formatBytes(row.peakRss),
    `${count(total.minorFaults)}/${count(total.majorFaults)}`,
    bytes(self.heap, selfError.heap),
    bytes(self.external, selfError.external),
    count(row.overlapped),
  ]
}

function count(n: number): string {
  return Number.isNaN(n) ? '-' : Math.round(n).toLocaleString('en-US')
}

function duration(ms: number, error: number): string {
  return estimate(ms, formatDuration(ms), formatDuration(error), error)
}

function bytes(value: number, error: number): string {
  return estimate(value, formatBytes(value, { signed: true }), formatBytes(error), error)
}

function estimate(value: number, text: string, errorText: string, error: number): string {
  if (Number.isNaN(value)) return '-'
  return error > 0 ? `${text} ±${errorText}` : text
}
