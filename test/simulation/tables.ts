/** The tables of the simulation: which models, for how long, and what is counted. */

import {
  batches,
  fill,
  heap,
  heapLeak,
  type LeakModel,
  leak,
  type Model,
  processOf,
  quiet,
  several,
  shapes,
  sparse,
  warmUp,
  warmUpAndLeak,
} from './models.js'
import { type Observed, observe, priceAt, type Watching } from './observe.js'
import { percent, quantile, share } from './share.js'

export interface Options {
  /** Of each row, where not the table's own number. */
  series?: number
  /** Only rows whose name contains this. */
  only: string
  progress: (what: string) => void
}

export type Table = (options: Options) => { title: string; header: string[]; rows: string[][] }

const TEN_MINUTES = 600
const HOUR = 3600

/** One row for each model that was asked for. */
export function rowsOf<M extends Model>(
  models: M[],
  { only, progress }: Options,
  row: (model: M) => string[],
): string[][] {
  return models
    .filter(({ name }) => name.includes(only))
    .map((model) => {
      progress(model.name)
      return [model.name, ...row(model)]
    })
}

function observeAll(model: Model, series: number, watching: Watching): Observed[] {
  return Array.from({ length: series }, (_, i) => observe(processOf(model, i), watching))
}

const BATCHES: [number, [number, number]][] = [
  [40, [2, 4]],
  [100, [8, 12]],
]

const NOISE: Model[] = [
  quiet(0, 1),
  quiet(0, 5),
  quiet(0, 20),
  quiet(0.3, 1),
  quiet(0.3, 5),
  quiet(0.6, 1),
  quiet(0.6, 2),
  quiet(0.6, 5),
  quiet(0.6, 20),
  quiet(0.9, 5),
  several(4, 0.6, 5),
  several(7, 0.6, 5),
  several(7, 0.6, 2),
  heap('JS heap, a major GC every 2.5 s, floors AR(1) 0.6, sd 2 MiB', 2.5, ({ noise }) => noise(0.6, 2)),
  heap('JS heap, a major GC every 5 s, floors white, sd 1 MiB', 5, ({ noise }) => noise(0, 1)),
  heap('JS heap, a major GC every 5 s, floors AR(1) 0.3, sd 5 MiB', 5, ({ noise }) => noise(0.3, 5)),
  heap('JS heap, a major GC every 10 s, floors AR(1) 0.6, sd 5 MiB', 10, ({ noise }) => noise(0.6, 5)),
  sparse(quiet(0.6, 5), 10),
  sparse(quiet(0, 5), 90),
  ...BATCHES.map(([height, seconds]) => batches(height, seconds)),
]

const alarms: Table = (options) => {
  const series = options.series ?? 300
  return {
    title: `False alarms: ${series} series of ten minutes without a leak`,
    header: [
      'memory',
      'ever a leak',
      'of them in the first 30 s',
      'ever a leak without "unless still warming up"',
      'a leak at the end',
    ],
    rows: rowsOf([...NOISE, ...shapes], options, (model) => {
      const all = observeAll(model, series, { seconds: TEN_MINUTES, horizons: [TEN_MINUTES] })
      return [
        share(all.filter(({ leakAt }) => leakAt < Number.POSITIVE_INFINITY).length, series),
        `${all.filter(({ leakAt }) => leakAt <= 30).length}`,
        share(all.filter(({ certainAt }) => certainAt < Number.POSITIVE_INFINITY).length, series),
        share(all.filter(({ kinds }) => kinds[0]!.kind === 'leak').length, series),
      ]
    }),
  }
}

const WARM_UPS: Model[] = [
  ...[2, 5, 10, 20, 40, 80, 160, 320].map((tau) => warmUp(tau)),
  warmUp(160, { mib: 300 }),
  ...[10, 20, 40, 80, 160, 320].map((seconds) => fill(seconds)),
  fill(160, { mib: 300 }),
]

const warmups: Table = (options) => {
  const series = options.series ?? 50
  return {
    title: `Warm-ups: ${series} series of 30 minutes; a straight line is a leak until it ends, "unless still warming up"`,
    header: [
      'warm-up',
      'ever a leak',
      'ever a leak without "unless …"',
      'last called a leak, median',
      'warm-up or steady at the end',
    ],
    rows: rowsOf(WARM_UPS, options, (model) => {
      const all = observeAll(model, series, { seconds: 3 * TEN_MINUTES, horizons: [3 * TEN_MINUTES] })
      const called = all.filter(({ leakAt }) => leakAt < Number.POSITIVE_INFINITY)
      return [
        share(called.length, series),
        share(all.filter(({ certainAt }) => certainAt < Number.POSITIVE_INFINITY).length, series),
        called.length > 0
          ? after(
              quantile(
                called.map(({ lastAt }) => lastAt),
                0.5,
              ),
            )
          : 'never',
        share(all.filter(({ kinds }) => ['warm-up', 'steady'].includes(kinds[0]!.kind)).length, series),
      ]
    }),
  }
}

const QUICK: LeakModel[] = [
  leak(1),
  leak(1, { phi: 0.6 }),
  leak(1, { deviation: 2 }),
  leak(1, { deviation: 0 }),
  leak(3, { deviation: 3 }),
  leak(10, { deviation: 5, phi: 0.6 }),
  heapLeak(1, 2.5, 0.3),
  heapLeak(1, 2.5, 1),
  heapLeak(1, 5, 0.3),
  heapLeak(1, 5, 1),
  heapLeak(3, 5, 1),
  leak(0.2),
  leak(0.2, { phi: 0.6, deviation: 3 }),
  leak(0.05),
  leak(1, { begins: 600, name: '1 MiB/s from minute 10 on' }),
  leak(1, { begins: 600, phi: 0.6, deviation: 5, name: '1 MiB/s from minute 10 on' }),
  leak(0.1, { begins: 600, name: '0.1 MiB/s from minute 10 on' }),
  warmUpAndLeak(6, 1),
  warmUpAndLeak(30, 1),
  ...BATCHES.map(([height, seconds]) => batches(height, seconds, 1)),
]

const delays: Table = (options) => {
  const series = options.series ?? 400
  return {
    title: `Delay until a leak is called: ${series} series, at most 20 minutes from where it begins`,
    header: ['leak', 'called before it began', 'within 20 s', 'within 60 s', 'median', '90 %'],
    rows: rowsOf(QUICK, options, (model) => {
      const seconds = model.begins + 2 * TEN_MINUTES
      const all = observeAll(model, series, { seconds, untilAlarm: true }).map(({ leakAt }) => leakAt - model.begins)
      const found = all.filter((delay) => delay >= 0)
      const within = (limit: number) => share(found.filter((delay) => delay <= limit).length, found.length)
      return [
        `${series - found.length}`,
        within(20),
        within(60),
        after(quantile(found, 0.5)),
        after(quantile(found, 0.9)),
      ]
    }),
  }
}

const mibPerHour = (rate: number) => rate / HOUR

const SLOW: LeakModel[] = [
  leak(mibPerHour(2), { deviation: 2, phi: 0.3, name: '2 MiB/h' }),
  leak(mibPerHour(2), { deviation: 2, phi: 0.6, name: '2 MiB/h' }),
  leak(mibPerHour(10), { deviation: 2, phi: 0.6, name: '10 MiB/h' }),
  leak(mibPerHour(30), { deviation: 5, phi: 0.6, name: '30 MiB/h' }),
]

const slow: Table = (options) => {
  const series = options.series ?? 20
  return {
    title: `Slow leaks: ${series} series, at most 24 hours`,
    header: ['leak', 'found', 'median', '90 %'],
    rows: rowsOf(SLOW, options, (model) => {
      const all = observeAll(model, series, { seconds: 24 * HOUR, untilAlarm: true }).map(({ leakAt }) => leakAt)
      const found = all.filter((at) => at < Number.POSITIVE_INFINITY).length
      return [share(found, series), after(quantile(all, 0.5)), after(quantile(all, 0.9))]
    }),
  }
}

const HORIZONS = [20, 30, 60, 120, 300, 600]
const CURVES: Model[] = [
  quiet(0.3, 1),
  quiet(0.6, 5),
  ...[2, 5, 10, 20, 60, 180].map((tau) => warmUp(tau)),
  ...[8, 20, 60, 180].map((seconds) => fill(seconds)),
  leak(1),
  leak(0.2),
  warmUpAndLeak(6, 1),
  warmUpAndLeak(30, 1),
  ...BATCHES.flatMap(([height, seconds]) => [0, 0.2, 1].map((leak) => batches(height, seconds, leak))),
]

const kinds: Table = (options) => {
  const series = options.series ?? 100
  return {
    title: `Kinds at one look, in % of ${series} series; "leak?" is "a leak, unless still warming up"`,
    header: ['memory', ...HORIZONS.map((second) => `${second} s`)],
    rows: rowsOf(CURVES, options, (model) => {
      const all = observeAll(model, series, { seconds: TEN_MINUTES, horizons: HORIZONS })
      return HORIZONS.map((_, i) => {
        const counts = new Map<string, number>()
        for (const { kinds } of all) {
          const name = kinds[i]!.caveat ? 'leak?' : kinds[i]!.kind
          counts.set(name, (counts.get(name) ?? 0) + 1)
        }
        const ordered = [...counts].sort((a, b) => b[1] - a[1])
        return ordered.map(([kind, count]) => `${kind} ${percent(count / series).replace('.0', '')}`).join(', ')
      })
    }),
  }
}

/** How long the process has been watched when the price is measured, in seconds. */
const AGES = [60, HOUR / 4, 24 * HOUR]

const price: Table = (options) => {
  const owners = 7
  return {
    title: `Price of one reading and of one verdict after it, in µs: medians of 50, ${owners} owners, machine as it is`,
    header: ['watched for', 'add', 'verdict'],
    rows: AGES.map((age) => {
      options.progress(`price after ${age} s`)
      const { add, verdict } = priceAt(processOf(several(owners, 0.6, 5), 0), age, 50)
      return [after(age), ...[add, verdict].map((values) => quantile(values, 0.5).toFixed(1))]
    }),
  }
}

function after(seconds: number): string {
  if (seconds === Number.POSITIVE_INFINITY) return 'never'
  return seconds < 2 * HOUR ? `${seconds} s` : `${(seconds / HOUR).toFixed(1)} h`
}

export const TABLES: Record<string, Table> = { alarms, warmups, delays, slow, kinds, price }
