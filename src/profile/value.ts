/** The four numbers that a profile holds for each trace, by name. */

import type { ProfileColumns, Sums } from './columns.js'

export const PROFILE_VALUES = ['live-bytes', 'live-count', 'allocated-bytes', 'allocated-count'] as const

export type ProfileValue = (typeof PROFILE_VALUES)[number]

/**
 * One number per trace, never NaN. Where nothing is known of what was allocated, what lives is the least it can have been;
 * what is not known at all is 0.
 */
export function valuesOf(columns: ProfileColumns, value: ProfileValue): Float64Array {
  const read = valueReader(columns, value)
  return columns.live.bytes.map((_, trace) => read(trace))
}

/** `valuesOf`, one trace at a time. */
export function valueReader({ live, allocated }: ProfileColumns, value: ProfileValue): (trace: number) => number {
  const unit = unitOf(value)
  const least = live[unit]
  if (isLive(value)) return (trace) => least[trace]! || 0
  const total = allocated[unit]
  return (trace) => (Number.isNaN(total[trace]!) ? least[trace]! || 0 : total[trace]!)
}

/** Of the numbers that `valuesOf` gives; NaN where the source does not know. */
export function variancesOf(columns: ProfileColumns, value: ProfileValue): Float64Array {
  return known(columns, value, `${unitOf(value)}Variance`)
}

/** How many samples stand behind the numbers that `valuesOf` gives; NaN where the source does not know. */
export function samplesOf(columns: ProfileColumns, value: ProfileValue): Float64Array {
  return known(columns, value, 'samples')
}

export function unitOf(value: ProfileValue): 'bytes' | 'count' {
  return value === 'live-bytes' || value === 'allocated-bytes' ? 'bytes' : 'count'
}

function isLive(value: ProfileValue): boolean {
  return value === 'live-bytes' || value === 'live-count'
}

/** A trace takes all its numbers from the same sums. */
function known({ live, allocated }: ProfileColumns, value: ProfileValue, key: keyof Sums): Float64Array {
  if (isLive(value)) return live[key]
  const total = allocated[unitOf(value)]
  return live[key].map((number, trace) => (Number.isNaN(total[trace]!) ? number : allocated[key][trace]!))
}
