/**
 * What memory does, simulated: series with a known truth. Each series of a model is made from a seed of its own, and what
 * a model leaves open (how long a tooth, how slow a warm-up) is drawn from that seed too.
 */

import type { Owner } from '#dist/owners'
import { type Random, random } from '../growth/random.js'

/** MiB after so many seconds. Asked for once for each second, in order: noise has a memory. */
export type Curve = (second: number) => number

/** What one process does. */
export interface Process {
  owners: Partial<Record<Owner, Curve>>
  /** MiB that survive a major GC, and how many seconds pass from one to the next. */
  floors?: { everySeconds: number; curve: Curve }
  /** Seconds between two readings of an owner that is not in every reading. */
  every?: Partial<Record<Owner, number>>
}

export interface Model {
  name: string
  process: (random: Random) => Process
}

/** The `index`-th process of a model: models share seeds, so that two of them are compared on the same noise. */
export function processOf(model: Model, index: number): Process {
  return model.process(random(7919 * index + 17))
}

/** Native memory of a service that has just started: 30 MiB within some seconds, then `then`. */
function started(then: Curve): Curve {
  return (second) => 50 + 30 * (1 - Math.exp(-second / 1.5)) + then(second)
}

/** A model of one owner. `more` is drawn anew for each series. */
function one(name: string, more: (random: Random) => Curve, owner: Owner = 'malloc'): Model {
  return { name, process: (draw) => ({ owners: { [owner]: started(more(draw)) } }) }
}

/** Uniform on the logarithm: as many time constants between 2 and 4 as between 100 and 200. */
function between(low: number, high: number, { uniform }: Random): number {
  return low * (high / low) ** uniform()
}

function plus(...curves: Curve[]): Curve {
  return (second) => curves.reduce((sum, curve) => sum + curve(second), 0)
}

export function quiet(phi: number, deviation: number): Model {
  const name = phi === 0 ? `white noise, sd ${deviation} MiB` : `AR(1) ${phi}, sd ${deviation} MiB`
  return one(name, ({ noise }) => noise(phi, deviation))
}

const SEVERAL: Owner[] = ['malloc', 'array-buffers', 'mmap', 'file', 'wasm', 'shmem', 'program']

/** Several owners, each with noise of its own. */
export function several(count: number, phi: number, deviation: number): Model {
  return {
    name: `${count} owners, each AR(1) ${phi}, sd ${deviation} MiB`,
    process: ({ noise }) => ({
      owners: Object.fromEntries(SEVERAL.slice(0, count).map((owner) => [owner, started(noise(phi, deviation))])),
    }),
  }
}

/** A JS heap that is collected every `everySeconds`; resident bytes are V8's sawtooth above what survives. */
export function heap(name: string, everySeconds: number, live: (random: Random) => Curve): Model {
  return {
    name,
    process: (draw) => {
      const floor = live(draw)
      const garbage = 10 + 20 * draw.uniform()
      let survived = 30
      // A major GC comes with the first reading after it.
      const curve: Curve = (second) => {
        survived = 30 + floor(second)
        return survived
      }
      const resident: Curve = (second) => survived + 20 + (garbage * (second % everySeconds)) / everySeconds
      return { owners: { 'js-heap': resident }, floors: { everySeconds, curve } }
    },
  }
}

/** An owner that is read anew only so often: what a whole ledger finds out. */
export function sparse(model: Model, everySeconds: number): Model {
  return {
    name: `${model.name}, read every ${everySeconds} s`,
    process: (draw) => {
      const process = model.process(draw)
      const every = Object.fromEntries(Object.keys(process.owners).map((owner) => [owner, everySeconds]))
      // A neighbour in every reading, as in life.
      return { ...process, owners: { ...process.owners, file: () => 40 }, every }
    },
  }
}

export const shapes: Model[] = [
  one('V8’s sawtooth: 8 to 40 MiB, teeth of 1 to 8 s, each its own', (draw) => sawtooth(draw, [8, 40], [1, 8])),
  one('batches: 20 to 100 MiB, teeth of 10 to 60 s', (draw) => sawtooth(draw, [20, 100], [10, 60])),
  one('periodic: a sine of 3 to 20 MiB, 20 to 200 s', (draw) => {
    const [height, period, phase] = [between(3, 20, draw), between(20, 200, draw), draw.uniform()]
    return plus((t) => height * Math.sin(2 * Math.PI * (t / period + phase)), draw.noise(0.3, 1))
  }),
  one('one step of 5 to 200 MiB', (draw) => {
    const [height, at] = [between(5, 200, draw), between(20, 500, draw)]
    return plus((t) => (t >= at ? height : 0), draw.noise(0.3, 1))
  }),
  one('steps up and down: 10 MiB each, every 20 s on average', (draw) => {
    let level = 5
    const noise = draw.noise(0.3, 1)
    return () => {
      if (draw.uniform() < 1 / 20) level += draw.uniform() < level / 10 ? -1 : 1
      return 10 * level + noise()
    }
  }),
  one('random walk of 0.3 MiB/s, reflected at 0 and 20 MiB', (draw) => {
    let walk = 20 * draw.uniform()
    const noise = draw.noise(0.3, 1)
    return () => {
      walk = Math.abs(walk + 0.3 * draw.normal())
      walk = walk > 20 ? 40 - walk : walk
      return walk + noise()
    }
  }),
  one('pages of 4 KiB: AR(1) 0.6, sd 8 KiB, then constant', (draw) => {
    const noise = draw.noise(0.6, 2)
    return (t) => (t < 120 ? Math.round(noise()) / 256 : 0)
  }),
  one('outliers: one reading in 50 is 100 MiB high', (draw) => {
    const noise = draw.noise(0.3, 1)
    return () => noise() + (draw.uniform() < 0.02 ? 100 : 0)
  }),
]

/** Work of `height` MiB for a third of the time, every `shortest` to `longest` s, over a leak of `mibPerSecond`. */
export function batches(height: number, [shortest, longest]: [number, number], mibPerSecond = 0): LeakModel {
  const under = mibPerSecond > 0 ? `${mibPerSecond} MiB/s under ` : ''
  const model = one(`${under}batches of ${height} MiB, every ${shortest} to ${longest} s`, (draw) => {
    const noise = draw.noise(0.3, 1)
    let length = between(shortest, longest, draw)
    let began = -length * draw.uniform()
    let size = height
    return (t) => {
      while (t - began >= length) {
        began += length
        length = between(shortest, longest, draw)
        size = height * between(0.8, 1.2, draw)
      }
      return mibPerSecond * t + noise() + (t - began < length / 3 ? size : 0)
    }
  })
  return { ...model, begins: 0 }
}

function sawtooth(draw: Random, [low, high]: [number, number], [shortest, longest]: [number, number]): Curve {
  const height = between(low, high, draw)
  const noise = draw.noise(0.3, 1)
  let length = between(shortest, longest, draw)
  let began = -length * draw.uniform()
  return (t) => {
    while (t - began >= length) {
      began += length
      // Teeth of one process are alike, not equal.
      length *= between(0.9, 1.1, draw)
      length = Math.min(longest, Math.max(shortest, length))
    }
    return (height * (t - began)) / length + noise()
  }
}

/** Exponential: fast first, and never quite done. */
export function warmUp(tau: number, { mib = 60, phi = 0.3, deviation = 1 } = {}): Model {
  return one(`exponential, ${mib} MiB, time constant ${tau} s`, ({ noise }) =>
    plus((t) => mib * (1 - Math.exp(-t / tau)), noise(phi, deviation)),
  )
}

/** A cache of a fixed size, filled at an even rate: a straight line until it is full. */
export function fill(seconds: number, { mib = 60, phi = 0.3, deviation = 1 } = {}): Model {
  return one(`linear, ${mib} MiB in ${seconds} s`, ({ noise }) =>
    plus((t) => mib * Math.min(1, t / seconds), noise(phi, deviation)),
  )
}

export interface LeakModel extends Model {
  /** The second in which it begins. */
  begins: number
}

/** @param mibPerSecond of what nobody frees */
export function leak(mibPerSecond: number, { begins = 0, phi = 0.3, deviation = 1, name = '' } = {}): LeakModel {
  const noisy = deviation === 0 ? 'no noise' : `AR(1) ${phi}, sd ${deviation} MiB`
  const model = one(`${name || `${mibPerSecond} MiB/s`}, ${noisy}`, ({ noise }) =>
    plus((t) => mibPerSecond * Math.max(0, t - begins), deviation === 0 ? () => 0 : noise(phi, deviation)),
  )
  return { ...model, begins }
}

export function heapLeak(mibPerSecond: number, everySeconds: number, deviation: number): LeakModel {
  const name = `JS heap, ${mibPerSecond} MiB/s, a major GC every ${everySeconds} s, floors sd ${deviation} MiB`
  return {
    ...heap(name, everySeconds, ({ noise }) => plus((t) => mibPerSecond * t, noise(0, deviation))),
    begins: 0,
  }
}

export function warmUpAndLeak(tau: number, mibPerSecond: number): LeakModel {
  return {
    ...one(`60 MiB warm-up, time constant ${tau} s, under ${mibPerSecond} MiB/s`, ({ noise }) =>
      plus((t) => 60 * (1 - Math.exp(-t / tau)) + mibPerSecond * t, noise(0.3, 1)),
    ),
    begins: 0,
  }
}
