/**
 * Decides what is remembered of one quantity over time: the newest readings as they came, older ones as means.
 *
 * A level is a ring of POINTS points. Level 0 holds readings; each point of the next level is the mean time, the mean
 * value and the maximum of FAN_IN points of the level below. Means of both coordinates lie on the line that the points
 * lie on, so a slope over coarse points is the slope over readings. A window is answered from one level only: fine
 * and coarse points together would weigh the end of the window FAN_IN times more than its beginning.
 * Levels count points, not seconds, so that the same series serves 100 ms readings and one major GC a minute.
 */

const POINTS = 128
const FAN_IN = 4
const LEVELS = 8

/** Columns of a window, oldest first. `max` is the highest reading behind each point. */
export interface Points {
  t: Float64Array
  v: Float64Array
  max: Float64Array
}

/** Of the gap between two coarse points: how far the readings behind one reach to either side of their mean. */
const REACH = (1 - 1 / FAN_IN) / 2

class Level {
  readonly #reach: number
  readonly #t = new Float64Array(POINTS)
  readonly #v = new Float64Array(POINTS)
  readonly #max = new Float64Array(POINTS)
  #count = 0

  constructor(reach: number) {
    this.#reach = reach
  }

  push(t: number, v: number, max: number): void {
    const slot = this.#count % POINTS
    this.#t[slot] = t
    this.#v[slot] = v
    this.#max[slot] = max
    this.#count++
  }

  get count(): number {
    return this.#count
  }

  /** The newest `FAN_IN` points as one; they never wrap, as FAN_IN divides POINTS. */
  mean(): [t: number, v: number, max: number] {
    const end = ((this.#count - 1) % POINTS) + 1
    let t = 0
    let v = 0
    let max = Number.NEGATIVE_INFINITY
    for (let i = end - FAN_IN; i < end; i++) {
      t += this.#t[i]! / FAN_IN
      v += this.#v[i]! / FAN_IN
      max = Math.max(max, this.#max[i]!)
    }
    return [t, v, max]
  }

  reachesBackTo(start: number): boolean {
    return this.#count <= POINTS || this.#t[this.#count % POINTS]! <= start
  }

  since(start: number): Points {
    const held = Math.min(this.#count, POINTS)
    let length = 0
    for (let after = Number.NaN; length < held; length++) {
      const t = this.#t[(this.#count - 1 - length) % POINTS]!
      // A mean that also holds what was before `start` would bring the start-up back that `start` leaves out.
      if (t - (length > 0 ? this.#reach * (after - t) : 0) < start) break
      after = t
    }
    return { t: this.#newest(this.#t, length), v: this.#newest(this.#v, length), max: this.#newest(this.#max, length) }
  }

  #newest(ring: Float64Array, length: number): Float64Array {
    const newest = new Float64Array(length)
    const end = this.#count % POINTS
    const unwrapped = Math.min(length, end)
    newest.set(ring.subarray(end - unwrapped, end), length - unwrapped)
    newest.set(ring.subarray(POINTS - (length - unwrapped)), 0)
    return newest
  }
}

export class Series {
  /** Most that one series ever holds: 24 KiB, which is 24 days of readings at one a second. */
  static readonly MAX_BYTES = LEVELS * POINTS * 3 * Float64Array.BYTES_PER_ELEMENT

  readonly #levels = [new Level(0)]

  /** Times must not decrease. Amortised constant time; allocates only when the series first needs another level. */
  add(t: number, v: number): void {
    this.#levels[0]!.push(t, v, v)
    for (let i = 0; i < LEVELS - 1 && this.#levels[i]!.count % FAN_IN === 0; i++) {
      this.#levels[i + 1] ??= new Level(REACH)
      this.#levels[i + 1]!.push(...this.#levels[i]!.mean())
    }
  }

  /** How many readings were ever added. */
  get count(): number {
    return this.#levels[0]!.count
  }

  /**
   * The points from `start` on, at the finest resolution that reaches back so far: at most 128 points and, once there
   * were 128 readings, at least about 32. A coarse level lags by less than one of its points.
   */
  since(start: number): Points {
    return this.#levelFor(start).since(start)
  }

  /** Changes when `since(start)` would give other points: at a coarse level that is seldom. */
  version(start: number): number {
    const level = this.#levelFor(start)
    return level.count * LEVELS + this.#levels.indexOf(level)
  }

  #levelFor(start: number): Level {
    return this.#levels.find((candidate) => candidate.reachesBackTo(start)) ?? this.#levels.at(-1)!
  }

  /** Bytes held now. */
  get bytes(): number {
    return (this.#levels.length * Series.MAX_BYTES) / LEVELS
  }
}
