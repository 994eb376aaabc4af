/** An allocation site under a sampling profiler, simulated: what a timeline would say of it. Seeded. */

import { random } from './random.js'

export interface SiteModel {
  /** Objects allocated a second, `second` after the start. */
  rate: (second: number) => number
  /** Bytes of each. */
  size: number
  /** Seconds until an object is freed; Infinity keeps it. */
  lifetime: (uniform: number) => number
  /** Younger objects are left out. */
  oldSeconds?: number
  intervalBytes?: number
}

export interface SitePoint {
  second: number
  live: number
  variance: number
  samples: number
}

export const MIB = 2 ** 20
export const forEver = () => Number.POSITIVE_INFINITY
export const exponential = (mean: number) => (uniform: number) => -mean * Math.log(1 - uniform)

/**
 * Of objects that are sampled with chance p = 1 - e^(-size/interval), each stands for 1/p; (1-p)/p² size² is the variance it
 * adds. One step is a tenth of a second; a snapshot every `every` seconds.
 */
export function sampledSite(model: SiteModel, seconds: number, seed: number, every = 5): SitePoint[] {
  const { rate, size, lifetime, oldSeconds = 0, intervalBytes = 512 * 1024 } = model
  const { uniform } = random(seed)
  const p = -Math.expm1(-size / intervalBytes)
  const step = 0.1
  let alive: { born: number; dies: number }[] = []
  const points: SitePoint[] = []
  for (let i = 0; i * step <= seconds; i++) {
    const now = i * step
    for (let n = poisson(rate(now) * step * p, uniform); n > 0; n--)
      alive.push({ born: now, dies: now + lifetime(uniform()) })
    if (i % Math.round(every / step) !== 0) continue
    alive = alive.filter(({ dies }) => dies > now)
    const samples = alive.filter(({ born }) => born <= now - oldSeconds).length
    points.push({
      second: now,
      live: (samples * size) / p,
      variance: (samples * (1 - p) * size ** 2) / p ** 2,
      samples,
    })
  }
  return points
}

/** By counting exponential gaps: exact, and fast for the small means here. */
function poisson(mean: number, uniform: () => number): number {
  let sum = -Math.log(1 - uniform())
  let count = 0
  while (sum < mean) {
    sum -= Math.log(1 - uniform())
    count++
  }
  return count
}
