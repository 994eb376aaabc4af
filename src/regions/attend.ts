/** The paths of calls that are measured or followed; region.ts has those of all others. */

import { Call } from './call.js'
import { followedCall, following, runIn } from './follow.js'
import { isCloseUp, rehearsal } from './measurement.js'
import type { Region } from './table.js'

/**
 * Runs a call that is measured or followed, as region.ts says of `region(name, fn)`.
 * A rehearsal is the first turn of one loop and the call the second: in a function of its own it would be compiled later, and
 * an empty call would take microseconds there when it takes nanoseconds here.
 */
export function attend<T>(region: Region, fn: (...args: never[]) => T, thisArg: unknown, args: unknown[]): T {
  let rehearses = region.gap < 0 && isCloseUp(region)
  for (;;) {
    const follows = following.on
    const call = begin(rehearses ? rehearsal : region)
    const run = rehearses ? (emptyCall as typeof fn) : fn
    let result: T
    try {
      result = follows ? runIn(call, run, thisArg, args) : Reflect.apply(run, thisArg, args as never[])
    } catch (error) {
      call.end()
      throw error
    }
    if (result instanceof Promise && isPlain(result)) return endWhenSettled(call, result)
    call.end()
    if (!rehearses) return result
    rehearses = false
  }
}

/** As `attend`, for a call that is ended by whoever asked for it. */
export function attendUntilEnd(region: Region): Call {
  if (region.gap < 0 && isCloseUp(region)) begin(rehearsal).end()
  return begin(region)
}

function begin(region: Region): Call {
  return following.on ? followedCall(region) : new Call(region)
}

/** A built-in function: one of ours would be interpreted, being so seldom called, and take a microsecond. */
const emptyCall = Function.prototype

function endWhenSettled<T>(call: Call, promise: T & Promise<unknown>): T {
  call.putAside()
  return promise.then(
    (value) => {
      call.end()
      return value
    },
    (error) => {
      call.end()
      throw error
    },
  ) as T
}

/**
 * Only such a promise can be exchanged for the one that `then` returns. Listening without exchanging it would mark it as
 * handled, and a rejection that the program has forgotten would no longer be reported: a profiler must not hide errors.
 */
export function isPlain(promise: Promise<unknown>): boolean {
  return Object.getPrototypeOf(promise) === Promise.prototype && Object.keys(promise).length === 0
}
