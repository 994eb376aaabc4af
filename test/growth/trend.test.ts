import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  leastSquares,
  slopeConfidenceSequence,
  slopeInterval,
  studentT975,
  theilSen,
  withVariance,
} from '#dist/growth/trend'
import { random } from './random.js'

const HOUR = 3600e3
const ramp = (n: number) => Float64Array.from({ length: n }, (_, i) => i)
const close = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} ± ${tolerance}`)

test('Theil–Sen is the median of the slopes of all pairs', () => {
  const { normal } = random(1)
  for (const n of [2, 3, 10, 33, 48]) {
    const t = ramp(n).map((i) => i * 1.5)
    const v = t.map((x) => 3 * x + 5 * normal())
    const slopes: number[] = []
    t.forEach((a, i) => {
      t.forEach((b, j) => {
        if (b > a) slopes.push((v[j]! - v[i]!) / (b - a))
      })
    })
    slopes.sort((a, b) => a - b)
    const reference = (slopes[(slopes.length - 1) >> 1]! + slopes[slopes.length >> 1]!) / 2
    close(theilSen(t, v).slope, reference, 1e-12)
  }
})

test('the example of Sen (1968): slope 4, and an interval from the third of its 21 slopes to the third last', () => {
  const t = Float64Array.of(1, 2, 3, 4, 10, 12, 18)
  const v = Float64Array.of(9, 15, 19, 20, 45, 55, 78)
  // sd(S) = sqrt(7·6·19/18) = 6.66, times 1.96 = 13.05 slopes between the bounds: ranks 3.97 and 18.03, rounded outwards.
  assert.deepEqual(theilSen(t, v), { slope: 4, low: 11 / 3, high: 5 })
})

test('a quarter of wild readings does not move Theil–Sen, and carries least squares away', () => {
  const t = ramp(40)
  const v = t.map((x, i) => (i >= 30 ? 1e6 : 2 * x + (i % 2)))
  close(theilSen(t, v).slope, 2, 1)
  assert.ok(leastSquares(t, v).slope > 1000)
})

test('a thousand points cost no more than 48, and give the same line', () => {
  const t = ramp(1000)
  const { normal } = random(2)
  const { slope, low, high } = theilSen(
    t,
    t.map((x) => 0.5 * x + normal()),
  )
  close(slope, 0.5, 0.001)
  assert.ok(low <= 0.5 && high >= 0.5)
})

test('readings at one and the same time have no slope, and two times are enough for one', () => {
  assert.ok(Number.isNaN(theilSen(Float64Array.of(1, 1, 1), Float64Array.of(1, 2, 3)).slope))
  assert.ok(Number.isNaN(theilSen(new Float64Array(), new Float64Array()).slope))
  assert.equal(theilSen(Float64Array.of(1, 1, 2), Float64Array.of(1, 1, 3)).slope, 2)
})

test('least squares gives the line of Anscombe’s first quartet: 0.500, standard error 0.118', () => {
  const t = Float64Array.of(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
  const v = Float64Array.of(4.26, 5.68, 7.24, 4.82, 6.95, 8.81, 8.04, 8.33, 10.84, 7.58, 9.96)
  const hourly = leastSquares(
    t.map((hour) => hour * HOUR),
    v,
  )
  const line = { ...hourly, slope: hourly.slope * HOUR, variance: hourly.variance * HOUR ** 2 }
  close(line.slope, 0.5001, 0.0001)
  close(line.deviation, 1.2366, 0.0001)
  // Its residuals are negatively correlated, so nothing is widened.
  close(Math.sqrt(line.variance), 0.1179, 0.0001)
})

test('Student’s quantile agrees with the tables', () => {
  for (const [freedom, value] of [
    [3, 3.182],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [120, 1.98],
  ] as const) {
    close(studentT975(freedom) / value, 1, 0.015)
  }
})

// Share of `runs` intervals that hold the true slope. Standard error of a share near 0.95 over 600 runs: 0.009.
function coverage(
  phi: number,
  n: number,
  interval: (t: Float64Array, v: Float64Array) => { low: number; high: number },
  gapMs = 1000,
) {
  const { noise } = random(n + phi * 100)
  const runs = 600
  const t = ramp(n).map((i) => i * gapMs)
  let held = 0
  for (let run = 0; run < runs; run++) {
    const e = noise(phi, 1)
    const { low, high } = interval(
      t,
      t.map((_, i) => 0.5 * i + e()),
    )
    if (low * gapMs <= 0.5 && 0.5 <= high * gapMs) held++
  }
  return held / runs
}

test('the Theil–Sen interval holds the true slope in 95 % of runs of white noise', () => {
  for (const n of [15, 30, 60, 120]) {
    const share = coverage(0, n, theilSen)
    assert.ok(share >= 0.92 && share <= 0.995, `${share} at n = ${n}`)
  }
})

test('the Theil–Sen interval holds the true slope in at least 90 % of runs of autocorrelated noise', () => {
  for (const phi of [0.3, 0.6]) {
    for (const n of [15, 30, 60, 120]) {
      const share = coverage(phi, n, theilSen)
      assert.ok(share >= 0.9, `${share} at n = ${n}, phi = ${phi}`)
    }
  }
})

test('the least-squares interval holds the true slope in 95 % of runs of white noise, and in more where readings may correlate', () => {
  const line = (t: Float64Array, v: Float64Array) => slopeInterval(leastSquares(t, v))
  const hourly = coverage(0, 30, line, HOUR)
  assert.ok(hourly >= 0.93 && hourly <= 0.99, `${hourly}`)
  const secondly = coverage(0, 30, line)
  assert.ok(secondly >= 0.96, `${secondly}`)
})

test('the least-squares interval holds the true slope in at least 88 % of runs of autocorrelated noise, and of 13 readings in 84 %', () => {
  for (const [n, least] of [
    [13, 0.84],
    [30, 0.88],
    [120, 0.9],
  ] as const) {
    const share = coverage(0.6, n, (t, v) => slopeInterval(leastSquares(t, v)))
    assert.ok(share >= least, `${share} at n = ${n}`)
  }
})

test('the confidence sequence follows its formula', () => {
  const line = { n: 12, slope: 2, variance: 0.04, freedom: 10, deviation: 1 }
  const { low, high } = slopeConfidenceSequence(line, 0.01, 1)
  // R = 25, K = (sqrt(26)/0.01)^(2/11) = 3.107; sqrt(0.04 · 10 · 2.107 / (1 - 3.107/26)) = 0.978.
  close(low, 2 - 0.978, 0.001)
  close(high - 2, 2 - low, 1e-12)
})

test('with many points the confidence sequence is Robbins’ mixture, and with few it is much wider', () => {
  const line = { n: 1e6, slope: 0, variance: 0.04, freedom: 1e6, deviation: 1 }
  close(
    slopeConfidenceSequence(line, 0.01, 1).high,
    0.2 * Math.sqrt((1 + 1 / 25) * (2 * Math.log(100) + Math.log(26))),
    1e-4,
  )
  assert.ok(
    slopeConfidenceSequence({ ...line, freedom: 5 }, 0.01, 1).high > 1.9 * slopeConfidenceSequence(line, 0.01, 1).high,
  )
  assert.equal(slopeConfidenceSequence({ ...line, freedom: 3 }, 0.001, 1).high, Number.POSITIVE_INFINITY)
})

test('variance that is known adds to the slope’s without the doubt of what few residuals say', () => {
  const line = { n: 6, slope: 2, variance: 1, freedom: 4, deviation: 1 }
  assert.deepEqual(withVariance(line, 0), line)
  assert.deepEqual(withVariance(line, 1), { ...line, variance: 2, freedom: 16 })
})

test('the confidence sequence says nothing before five points', () => {
  const { low, high } = slopeConfidenceSequence(leastSquares(ramp(4), ramp(4)), 0.05, 1)
  assert.deepEqual([low, high], [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])
})

test('the confidence sequence of an exact line is its slope', () => {
  const { low, high } = slopeConfidenceSequence(leastSquares(ramp(10), ramp(10)), 0.05, 1)
  assert.deepEqual([low, high], [1, 1])
})

// A reading every 5 s for 10 minutes, sd 1 MB; looked at after each. Dead zone 0.05 MB/s as for short windows.
const DEAD = 0.05 / 1000

function everAlarmed(phi: number, low: (t: Float64Array, v: Float64Array) => number): number {
  const { noise } = random(17)
  const runs = 200
  const t = ramp(120).map((i) => i * 5000)
  let alarmed = 0
  for (let run = 0; run < runs; run++) {
    const v = Float64Array.from(t, noise(phi, 1))
    for (let n = 5; n <= t.length; n++) {
      if (low(t.subarray(0, n), v.subarray(0, n)) > DEAD) {
        alarmed++
        break
      }
    }
  }
  return alarmed / runs
}

test('the confidence sequence, looked at after every reading for ten minutes, raises a false alarm in at most 5 % of runs', () => {
  for (const phi of [0, 0.3, 0.6]) {
    const share = everAlarmed(phi, (t, v) => slopeConfidenceSequence(leastSquares(t, v), 0.05, 1 / 1000).low)
    assert.ok(share <= 0.05, `${share} at phi = ${phi}`)
  }
})

test('without a dead zone it holds its level too, for white noise', () => {
  const share = everAlarmed(0, (t, v) => slopeConfidenceSequence(leastSquares(t, v), 0.05, 1 / 1000).low + DEAD)
  assert.ok(share <= 0.05, `${share}`)
})

test('a fixed-level interval looked at as often cries wolf: why there is a confidence sequence', () => {
  const share = everAlarmed(0.3, (t, v) => slopeInterval(leastSquares(t, v)).low + DEAD)
  assert.ok(share > 0.2, `${share}`)
})
