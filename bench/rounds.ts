/**
 * Paired rounds. Another load on the machine slows whatever runs then, so the sides take turns within a round, and
 * sides are compared within their round only: a ratio of medians would still hold the difference between two moments.
 */

/** One measurement; every side of a comparison gives the same unit. */
export type Side = () => number | Promise<number>

/** What each round gave, by side. */
export type Rounds<K extends string> = Record<K, number[]>

/** A median with the quartiles around it. */
export interface Spread {
  low: number
  median: number
  high: number
}

/** The first round, in which code is compiled and caches are filled, is not counted. */
export async function inRounds<K extends string>(count: number, sides: Record<K, Side>): Promise<Rounds<K>> {
  const names = Object.keys(sides) as K[]
  const rounds = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Rounds<K>
  for (let round = -1; round < count; round++) {
    for (let i = 0; i < names.length; i++) {
      // Nobody is always the one who comes after the same other.
      const name = names[(i + round + 1) % names.length]!
      const value = await sides[name]()
      if (round >= 0) rounds[name].push(value)
    }
  }
  return rounds
}

/** Combines sides round by round. */
export function eachRound(combine: (...values: number[]) => number, ...sides: number[][]): number[] {
  return sides[0]!.map((_, round) => combine(...sides.map((side) => side[round]!)))
}

export function spread(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => {
    const place = share * (sorted.length - 1)
    const below = sorted[Math.floor(place)]!
    return below + (sorted[Math.ceil(place)]! - below) * (place % 1)
  }
  return { low: at(0.25), median: at(0.5), high: at(0.75) }
}

export function median(values: number[]): number {
  return spread(values).median
}
