/**
 * Decides which windows are tested, and what chance of a false alarm each may spend.
 *
 * A leak may begin at any time, so windows of 30, 60, 120 … s are tested, each beginning at a multiple of its length
 * and ending now (so 1 to 2 lengths long). The beginnings do not slide: a sliding window is a new test at each
 * reading, and spends a new chance of error each time. Scale k spends 1/2^(k+1) of the error, and of that its j-th beginning
 * 1/((j+1)(j+2)): both sum to one, so that looking for ever at every scale spends the error once. Only while less than 40 s have
 * been seen does the origin itself slide (leakOrigin); what that costs is in the simulation.
 */

export interface Window {
  start: number
  /** Share of the total error that a test of this window may spend. */
  share: number
}

export const SHORTEST_MS = 30e3

/** Windows of the time from `origin` to `now`, longest first; there is always one, and it begins at `origin`. */
export function windows(origin: number, now: number): Window[] {
  const found: Window[] = []
  for (let k = 0; k === 0 || SHORTEST_MS * 2 ** k <= now - origin; k++) {
    const length = SHORTEST_MS * 2 ** k
    const j = Math.max(0, Math.floor((now - origin) / length) - 1)
    found.push({ start: origin + j * length, share: 2 ** -(k + 1) / ((j + 1) * (j + 2)) })
  }
  return found.reverse()
}
