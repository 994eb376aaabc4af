/**
 * A call that is attended to: because it is measured, or because async contexts are followed.
 * It knows whether other regions' code can have run between its beginning and its end, so that what the process
 * gained meanwhile is not its own.
 */

import { performance } from 'node:perf_hooks'
import { Measurement, regions } from './measurement.js'
import * as stack from './stack.js'
import type { Region } from './table.js'

/** Calls on this thread that are suspended: they have begun, other code runs, and they will go on. */
let suspendedCalls = 0

export function callSuspended(): void {
  suspendedCalls++
}

export function callSettled(): void {
  suspendedCalls--
}

export class Call {
  readonly region: Region
  readonly mark: number
  open = true
  #outer: Call | undefined
  #measurement: Measurement | undefined
  #suspended = false
  /** Entries into regions since this call began that are known to lie inside it. */
  #inside = 0
  #amidOthers: boolean
  #disorder = stack.outOfOrder()

  /**
   * Enters the region; measures it if its countdown has run out.
   * @param context where async contexts are followed: the call in whose context this one begins, null for none
   */
  constructor(region: Region, context?: Call | null) {
    this.region = region
    this.#outer = context?.nearestOpen()
    let suspendedAround = 0
    let insideItself = false
    for (let call = this.#outer; call; call = call.#around()) {
      call.#inside++
      if (call.#suspended) suspendedAround++
      if (call.region === region) insideItself = true
    }
    this.#amidOthers = suspendedCalls > suspendedAround
    const measured = region.gap < 0
    const parent = context === undefined ? regions.byId[stack.current()] : this.#outer?.region
    const outermost = context === undefined ? measured && !stack.holds(region.id) : !insideItself
    this.mark = stack.enter(region.id)
    // Last, because the clock is read at the end of it.
    if (measured) this.#measurement = Measurement.begin(region, parent, outermost)
  }

  /** This call, or the innermost open one around it. */
  nearestOpen(): Call | undefined {
    return this.open ? this : this.#around()
  }

  /** The innermost open call around this one. Ended ones are unlinked, or a chain of timers would hold them all. */
  #around(): Call | undefined {
    if (this.#outer && !this.#outer.open) this.#outer = this.#outer.#around()
    return this.#outer
  }

  /** Puts this call and those around it on the stack again, because a continuation of it begins to run. */
  resume(): void {
    this.#around()?.resume()
    this.suspend()
    stack.push(this.region.id, this.mark)
  }

  /** The function has returned a promise: its caller's region is current again. */
  putAside(): void {
    this.suspend()
    stack.leave(this.mark)
  }

  /** The synchronous part is over. All that was entered until now was entered inside this call. */
  suspend(): void {
    if (this.#suspended) return
    this.#suspended = true
    this.#inside = (stack.entries() - this.mark) | 0
    this.#measurement?.suspend()
    callSuspended()
  }

  /** Suspends every call from this one outwards: the tick in which they began or went on is over. */
  suspendAll(): void {
    for (let call = this.nearestOpen(); call; call = call.#around()) call.suspend()
  }

  /** Leaves the region. */
  end(): void {
    const endMs = this.#measurement ? performance.now() : 0
    this.open = false
    stack.leave(this.mark)
    if (this.#suspended) {
      callSettled()
      stack.remove(this.mark)
    }
    this.#measurement?.finish(endMs, this.#overlapped())
  }

  #overlapped(): boolean {
    if (stack.outOfOrder() !== this.#disorder) return true
    if (!this.#suspended) return false
    return this.#amidOthers || ((stack.entries() - this.mark) | 0) !== this.#inside
  }
}
