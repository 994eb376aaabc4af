/** Seeded noise, so that a statistical test gives the same answer on every machine and on every run. */

export interface Random {
  /** On [0, 1). */
  uniform(): number
  normal(): number
  /** Autoregressive noise of order 1: each value keeps `phi` of the last; `deviation` is that of the values themselves. */
  noise(phi: number, deviation: number): () => number
}

/** mulberry32, and Box–Muller for the normal. */
export function random(seed: number): Random {
  let state = seed | 0
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const noise = (phi: number, deviation: number) => {
    let value = deviation * normal()
    return () => {
      const now = value
      value = phi * value + Math.sqrt(1 - phi * phi) * deviation * normal()
      return now
    }
  }
  return { uniform, normal, noise }
}
