/** Shares of seeded runs, with how far chance alone may have moved them. */

/** `2.4 % ± 0.5`: hits of n runs with the binomial standard error; `none of 1000` says more than 0 % ± 0. */
export function share(hits: number, n: number): string {
  if (hits === 0) return `none of ${n}`
  if (hits === n) return `all ${n}`
  const p = hits / n
  return `${percent(p)} % ± ${percent(Math.sqrt((p * (1 - p)) / n))}`
}

export function percent(p: number): string {
  return (100 * p).toFixed(1)
}

/** The value that a share `q` of them does not exceed; Infinity counts as a value. */
export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}
