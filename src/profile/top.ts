/** The rows that a person reads first: a profile summed by what its traces have in common, largest first. Pure. */

import type { StackFrame } from '../growth/verdict.js'
import { type Frame, PROFILE_OWNERS, type ProfileColumns } from './columns.js'
import { framesOf, siteFinder, stackFrame } from './site.js'
import { type ProfileValue, samplesOf, valuesOf, variancesOf } from './value.js'

export const TOP_KEYS = ['site', 'function', 'region', 'thread', 'owner'] as const

export type TopKey = (typeof TOP_KEYS)[number]

export interface TopOptions {
  /** `site` is a function of the user's own code or of an addon, `function` all of the same name and file. Default `site`. */
  by?: TopKey
  /** Default `live-bytes`. */
  value?: ProfileValue
}

export interface TopRow {
  /** What the row is of, in words. */
  name: string
  /** Of the site of the largest trace in the row; so are file, line and all that follows but the numbers. */
  function: string
  file: string
  line: number
  region: string
  thread: string
  owner: (typeof PROFILE_OWNERS)[number]
  value: number
  /** Of `value`; NaN where the profile does not know it. */
  standardError: number
  /** Objects, of the live or the allocated ones as `value` is. */
  count: number
  /** How many samples stand behind the row; NaN where the profile does not know it. */
  samples: number
  /** Of the whole profile; 0 where that is 0. */
  share: number
  /** Leaf first, of the largest trace. */
  stack: StackFrame[]
}

interface Sum {
  value: number
  variance: number
  count: number
  samples: number
  /** The trace whose stack is shown: of those that know the line of their call, the largest. */
  largest: number
  weight: number
}

export function topRows(
  columns: ProfileColumns,
  n: number,
  { by = 'site', value = 'live-bytes' }: TopOptions,
): TopRow[] {
  const values = valuesOf(columns, value)
  const variances = variancesOf(columns, value)
  const samples = samplesOf(columns, value)
  const counts = valuesOf(columns, value.startsWith('live') ? 'live-count' : 'allocated-count')
  const keyOf = keyFinder(columns, by)
  const siteOf = siteFinder(columns)
  const knowsCall = (trace: number) => {
    const site = siteOf(trace)
    return site?.kind === 'native' || site?.call !== undefined
  }
  const sums = new Map<string, Sum>()
  let total = 0
  for (let trace = 0; trace < values.length; trace++) {
    total += values[trace]!
    const key = keyOf(trace)
    let sum = sums.get(key)
    if (!sum) {
      sum = { value: 0, variance: 0, count: 0, samples: 0, largest: trace, weight: 0 }
      sums.set(key, sum)
    }
    sum.value += values[trace]!
    sum.variance += variances[trace]!
    sum.count += counts[trace]!
    sum.samples += samples[trace]!
    // A trace that knows the line of the call says more, however little of the row it is.
    const weight = Math.abs(values[trace]!) * (knowsCall(trace) ? 1 : 1e-9)
    if (weight > sum.weight) {
      sum.largest = trace
      sum.weight = weight
    }
  }
  const largest = [...sums.values()].sort((a, b) => b.value - a.value).slice(0, n)
  return largest.map((sum) => row(columns, by, sum, total, siteOf(sum.largest)))
}

function row(columns: ProfileColumns, by: TopKey, sum: Sum, total: number, site: Frame | undefined): TopRow {
  const { mappings, regions, region, threads, thread, owner } = columns
  const trace = sum.largest
  const { function: name, file, line } = site ? stackFrame(site, mappings) : NO_SITE
  const facts = {
    function: name,
    file,
    line,
    region: regions[region[trace]!] ?? '',
    thread: threads[thread[trace]!] ?? '',
    owner: PROFILE_OWNERS[owner[trace]!]!,
  }
  return {
    name: nameOf(facts, by),
    ...facts,
    value: sum.value,
    standardError: Math.sqrt(sum.variance),
    count: sum.count,
    samples: sum.samples,
    share: total === 0 ? 0 : sum.value / total,
    stack: framesOf(columns, trace).map((frame) => stackFrame(frame, mappings)),
  }
}

const NO_SITE = { function: '', file: '', line: 0 }

function nameOf(
  facts: Omit<TopRow, 'name' | 'value' | 'standardError' | 'count' | 'samples' | 'share' | 'stack'>,
  by: TopKey,
) {
  const { function: name, file, line } = facts
  if (by === 'region') return facts.region || '(outside every region)'
  if (by === 'thread') return facts.thread || '(unknown thread)'
  if (by === 'owner') return facts.owner
  if (file === '') return name || '(unknown)'
  const place = by === 'site' && line > 0 ? `${file}:${line}` : file
  return `${name || '(anonymous)'} ${place}`
}

function keyFinder(columns: ProfileColumns, by: TopKey): (trace: number) => string {
  const { regions, region, threads, thread, owner, mappings } = columns
  if (by === 'region') return (trace) => regions[region[trace]!] ?? ''
  if (by === 'thread') return (trace) => threads[thread[trace]!] ?? ''
  if (by === 'owner') return (trace) => PROFILE_OWNERS[owner[trace]!]!
  const siteOf = siteFinder(columns)
  return (trace) => {
    const site = siteOf(trace)
    if (!site) return ''
    const { function: name, file } = stackFrame(site, mappings)
    // By where the function begins: the line of the call is known of some samples only.
    return `${by === 'site' ? site.line : 0}\n${name}\n${file}`
  }
}
