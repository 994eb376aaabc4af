/**
 * Following regions through async code, for those who ask for it: it makes every await of the process dearer.
 * One AsyncLocalStorage carries the call; an async hook puts it on the stack whenever a continuation begins to run,
 * and takes it off at the end. Neither alone is enough: the storage does not say when to set the word that
 * native code reads, and without it the hook would have to keep a table of all async resources.
 */

import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { Call } from './call.js'
import * as stack from './stack.js'
import type { Region } from './table.js'

/** An object, because the hot paths read it: an exported `let` would cost them a property of `exports`. */
export const following = { on: false }

const storage = new AsyncLocalStorage<Call>()
const heights: number[] = []

const hook = createHook({
  before() {
    heights.push(stack.height())
    // What is below belongs to another context.
    stack.push(stack.NONE, 0)
    storage.getStore()?.nearestOpen()?.resume()
  },
  after() {
    // Follows no `before` when hooks were enabled in this very callback.
    const height = heights.pop()
    if (height === undefined) return
    // All functions have returned: what is open still are handles to be left in a later tick.
    storage.getStore()?.suspendAll()
    stack.truncate(height)
  },
})

export function follow(on: boolean): void {
  if (on === following.on) return
  following.on = on
  if (on) {
    hook.enable()
  } else {
    hook.disable()
    storage.disable()
    stack.truncate(heights[0] ?? stack.height())
    heights.length = 0
  }
}

/** A call in the current async context. */
export function followedCall(region: Region): Call {
  return new Call(region, storage.getStore() ?? null)
}

export function runIn<T>(call: Call, fn: (...args: never[]) => T, thisArg: unknown, args: unknown[]): T {
  return storage.run(call, Reflect.apply, fn, thisArg, args)
}

/** Makes `call` the context of the rest of this tick. Nothing puts the earlier one back: an ended call is looked through. */
export function enterContext(call: Call): void {
  storage.enterWith(call)
}
