/**
 * Slopes and how sure we are of them. Pure arithmetic over columns t (ms, non-decreasing) and v; a slope is in v per ms.
 *
 * Memory readings are not independent: a burst lasts longer than one reading. Every interval here is therefore
 * widened by (1+rho)/(1-rho), rho being the lag-1 autocorrelation of the residuals, never taken below zero:
 * negative autocorrelation would narrow the interval on the strength of a noisy estimate.
 */

export interface Slope {
  slope: number
  low: number
  high: number
}

const Z95 = 1.959964
const MAX_THEIL_SEN_POINTS = 48
const MAX_RHO = 0.99
/** As good as infinitely many, and still a number to divide by. */
const MOST_FREEDOM = 1e9

/**
 * Median of the slopes of all pairs, with Sen's 95 % interval: the pair slopes that lie z·sd(Kendall's S)/2 ranks
 * to either side. Robust: up to 29 % wild readings do not carry it away. More than 48 points are first averaged in
 * equal blocks, so that the cost is bounded by 1,128 pairs. NaN everywhere if there are not two different times.
 * With few, strongly autocorrelated points the interval is that of all pair slopes, and covers less than 95 %.
 * @see Theil 1950; Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968)
 */
export function theilSen(t: Float64Array, v: Float64Array): Slope {
  const block = Math.ceil(t.length / MAX_THEIL_SEN_POINTS)
  const x = block > 1 ? blockMeans(t, block) : t
  const y = block > 1 ? blockMeans(v, block) : v
  const n = x.length

  const slopes = new Float64Array((n * (n - 1)) / 2)
  let pairs = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) if (x[j]! > x[i]!) slopes[pairs++] = (y[j]! - y[i]!) / (x[j]! - x[i]!)
  }
  if (pairs === 0) return { slope: Number.NaN, low: Number.NaN, high: Number.NaN }
  const all = slopes.subarray(0, pairs)
  const slope = median(all)

  const offset = median(y.map((value, i) => value - slope * x[i]!))
  const residuals = y.map((value, i) => value - slope * x[i]! - offset)
  const rho = clampRho(withoutBias(lag1(residuals), n))
  const ranks = Z95 * Math.sqrt((kendallVariance(y) * (1 + rho)) / (1 - rho))
  const low = select(all, Math.max(0, Math.floor((pairs - ranks) / 2) - 1))
  const high = select(all, Math.min(pairs - 1, Math.ceil((pairs + ranks) / 2)))
  return { slope, low, high }
}

/** A least-squares line: slope, the slope's variance widened for autocorrelation, and the residuals' deviation. */
export interface Line {
  n: number
  slope: number
  variance: number
  /** Degrees of freedom that `variance` is estimated with. */
  freedom: number
  deviation: number
}

/** The line through the points from index `from` to before `to`: of all of them when left out. */
export function leastSquares(t: Float64Array, v: Float64Array, from = 0, to = t.length): Line {
  const n = to - from
  let tMean = 0
  let vMean = 0
  for (let i = from; i < to; i++) {
    tMean += t[i]! / n
    vMean += v[i]! / n
  }
  let sxx = 0
  let sxy = 0
  for (let i = from; i < to; i++) {
    sxx += (t[i]! - tMean) ** 2
    sxy += (t[i]! - tMean) * (v[i]! - vMean)
  }
  const slope = sxx > 0 ? sxy / sxx : Number.NaN
  let squares = 0
  let products = 0
  let last = 0
  for (let i = from; i < to; i++) {
    const residual = v[i]! - vMean - slope * (t[i]! - tMean)
    squares += residual * residual
    products += residual * last
    last = residual
  }
  const freedom = n - 2
  const s2 = freedom > 0 ? squares / freedom : Number.NaN
  const rho = autocorrelation(squares > 0 ? products / squares : 0, n, (t[to - 1]! - t[from]!) / (n - 1))
  return { n, slope, variance: (s2 * (1 + rho)) / (1 - rho) / sxx, freedom, deviation: Math.sqrt(s2) }
}

/**
 * The same line where something besides the residuals adds to the variance of its slope, by a known amount.
 * @see Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics Bull. 2 (1946)
 */
export function withVariance(line: Line, more: number): Line {
  if (more === 0) return line
  const variance = line.variance + more
  return { ...line, variance, freedom: Math.min(MOST_FREEDOM, line.freedom * (variance / line.variance) ** 2) }
}

/** The 95 % interval of a line's slope for ONE look at it. NaN bounds with fewer than 3 points. */
export function slopeInterval(line: Line): Slope {
  const half = studentT975(line.freedom) * Math.sqrt(line.variance)
  return { slope: line.slope, low: line.slope - half, high: line.slope + half }
}

/**
 * An interval for a slope that may be looked at after every new point: the chance that it EVER excludes the true slope is
 * about `alpha`, where a fixed-level test looked at each second cries wolf in a third of quiet runs or more.
 *
 * Lai's mixture of t statistics, with prior N(0, tau²) on the slope: b ± sqrt(v f (K - 1) / (1 - K/(1 + R))), where v is the
 * slope's variance, f the freedom that it is estimated with, R = tau²/v and K = (sqrt(1 + R)/alpha)^(2/(f + 1)). With many points that is
 * Robbins' normal mixture, sqrt(v (1 + 1/R) (2 ln(1/alpha) + ln(1 + R))); with five to ten it is up to four times as wide, as residuals
 * that few are often too small by chance. As v is widened by an estimate, this is measured (test/simulation) rather than
 * proved to hold. Needs 5 points; unbounded below that, and where they are so few that nothing could be an alarm.
 * @see Lai, "On Confidence Sequences", Ann. Statist. 4 (1976); Robbins, "Statistical Methods Related to the Law of the Iterated
 *   Logarithm", Ann. Math. Statist. 41 (1970); Wang, Ramdas, "Anytime-valid t-tests and confidence sequences", Seq. Anal. 44 (2025)
 */
export function slopeConfidenceSequence(line: Line, alpha: number, tau: number): Slope {
  const { n, slope, variance, freedom } = line
  const unbounded = { slope, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  if (n < 5 || Number.isNaN(variance)) return unbounded
  if (variance === 0) return { slope, low: slope, high: slope }
  const ratio = tau ** 2 / variance
  const logK = (Math.log1p(ratio) - 2 * Math.log(alpha)) / (freedom + 1)
  const k = Math.exp(logK)
  if (k >= 1 + ratio) return unbounded
  const half = Math.sqrt((variance * freedom * Math.expm1(logK)) / (1 - k / (1 + ratio)))
  return { slope, low: slope - half, high: slope + half }
}

/** Student's 97.5 % quantile by Wallace's approximation (1959): 1 % high at 3 degrees of freedom, then ever closer. */
export function studentT975(freedom: number): number {
  const z = (Z95 * (8 * freedom + 3)) / (8 * freedom + 1)
  return Math.sqrt(freedom * Math.expm1(z ** 2 / freedom))
}

/** Variance of Kendall's S over n values; tied values cannot be ordered and count for less. */
function kendallVariance(values: Float64Array): number {
  const term = (n: number) => n * (n - 1) * (2 * n + 5)
  const sorted = values.slice().sort()
  let sum = term(sorted.length)
  for (let start = 0, i = 1; i <= sorted.length; i++) {
    if (sorted[i] !== sorted[start]) {
      sum -= term(i - start)
      start = i
    }
  }
  return sum / 18
}

function lag1(residuals: Float64Array): number {
  let product = 0
  let squares = 0
  for (let i = 0; i < residuals.length; i++) {
    squares += residuals[i]! ** 2
    if (i > 0) product += residuals[i]! * residuals[i - 1]!
  }
  return squares > 0 ? product / squares : 0
}

/** What is known of readings before any are seen: they correlate at 0.5 when they are a second apart, and that is worth ten readings. */
const PRIOR_RHO = 0.5
const PRIOR_READINGS = 10

/**
 * Autocorrelation of residuals that were fitted to n points, `gapMs` apart. The raw estimate is low (see `withoutBias`) and so
 * uncertain that, of several noisy owners, one seemed to be independent noise in every tenth start.
 */
function autocorrelation(raw: number, n: number, gapMs: number): number {
  const prior = PRIOR_RHO ** (gapMs / 1000)
  return clampRho((n * withoutBias(raw, n) + PRIOR_READINGS * prior) / (n + PRIOR_READINGS))
}

/**
 * On a fitted line the estimate of rho is low by about (2+4rho)/n, which is most of it when n is small.
 * @see Kendall 1954; Marriott and Pope 1954, with the trend's own degree of freedom
 */
function withoutBias(raw: number, n: number): number {
  return raw + (2 + 4 * raw) / n
}

function clampRho(rho: number): number {
  return Math.min(MAX_RHO, Math.max(0, rho))
}

function mean(values: Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** Reorders `values`. */
function median(values: Float64Array): number {
  const middle = values.length >> 1
  return values.length % 2 ? select(values, middle) : (select(values, middle - 1) + select(values, middle)) / 2
}

/**
 * The value that would be at `k` if `values` were sorted; reorders them. Four of a thousand are wanted, and to sort all for
 * them is most of what a verdict costs in the first minutes.
 * @see Hoare, "Algorithm 65: Find", CACM 4 (1961)
 */
function select(values: Float64Array, k: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const pivot = values[(low + high) >> 1]!
    let i = low
    let j = high
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const swapped = values[i]!
      values[i++] = values[j]!
      values[j--] = swapped
    }
    if (k <= j) high = j
    else if (k >= i) low = i
    else break
  }
  return values[k]!
}

function blockMeans(values: Float64Array, block: number): Float64Array {
  // Blocks end at the newest reading; up to block-1 of the oldest readings are left out.
  const first = values.length % block
  const means = new Float64Array(Math.floor(values.length / block))
  for (let i = 0; i < means.length; i++) means[i] = mean(values.subarray(first + i * block, first + (i + 1) * block))
  return means
}
