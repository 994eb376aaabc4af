/** A line of memory over time in one row of text: ▁▁▂▃▅▆▇█. Pure. */

const STEPS = '▁▂▃▄▅▆▇█'

export interface Sample {
  t: number
  value: number
}

/**
 * `width` characters of equal time, from the first sample to the last; any may have no value (NaN). `leastRange` is the
 * smallest difference, in the samples' unit, that may fill the whole height: without it the flicker of a steady process
 * would be drawn like a leak.
 */
export function sparkline(samples: Sample[], width: number, leastRange: number): string {
  const columns = resample(samples, width)
  if (columns.length === 0) return ' '.repeat(width)
  const low = Math.min(...columns)
  const range = Math.max(Math.max(...columns) - low, leastRange, 1)
  const step = (value: number) => STEPS[Math.min(STEPS.length - 1, Math.floor(((value - low) / range) * STEPS.length))]
  return columns.map(step).join('').padEnd(width)
}

/** The highest value in each column; a column without a value repeats the one before it, or the first. */
function resample(samples: Sample[], width: number): number[] {
  const known = samples.filter(({ value }) => Number.isFinite(value))
  if (known.length === 0) return []
  const start = samples[0]!.t
  const span = Math.max(samples.at(-1)!.t - start, 1)
  const columns = new Array<number>(samples.length === 1 ? 1 : width).fill(Number.NEGATIVE_INFINITY)
  for (const { t, value } of known) {
    const at = Math.max(0, Math.min(columns.length - 1, Math.floor(((t - start) / span) * columns.length)))
    columns[at] = Math.max(columns[at]!, value)
  }
  for (let i = 0; i < columns.length; i++) {
    if (columns[i] === Number.NEGATIVE_INFINITY) columns[i] = columns[i - 1] ?? known[0]!.value
  }
  return columns
}
