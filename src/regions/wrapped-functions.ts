/**
 * Which functions are regions, for whoever finds them in stacks: V8's heap sampler knows no region, but the functions that were
 * running. They are held weakly and their number is bounded: a program may wrap functions as it goes.
 */

import type { AnyFunction } from './region.js'
import type { Region } from './table.js'

const MOST_WAITING = 1024

export interface WrappedFunction {
  fn: AnyFunction
  /** Its id. */
  region: number
}

let waiting: { fn: WeakRef<AnyFunction>; region: number }[] = []
const wrappers = new WeakSet<AnyFunction>()

/** `wrapper` runs `fn` as `region`. All wrappers are one function to V8, which tells nothing of the region: one that is wrapped again is left out. */
export function rememberWrapped(fn: AnyFunction, wrapper: AnyFunction, region: Region): void {
  wrappers.add(wrapper)
  if (waiting.length < MOST_WAITING && !wrappers.has(fn)) waiting.push({ fn: new WeakRef(fn), region: region.id })
}

/** Those that were wrapped since the last call and are still there. */
export function takeWrapped(): WrappedFunction[] {
  const taken = waiting
  waiting = []
  return taken.flatMap(({ fn, region }) => {
    const there = fn.deref()
    return there === undefined ? [] : [{ fn: there, region }]
  })
}
