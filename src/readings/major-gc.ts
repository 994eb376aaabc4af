/**
 * Used heap right after each major collection: the one series of the JS heap that a leak moves and garbage does not.
 * Used heap between collections is a sawtooth, and the resident heap overstates a leak 3.5 to 4.7 times, because V8's
 * limit grows with what is live.
 *
 * V8 is asked as the collection ends. A listener of Node's hears of it later, when whoever made V8 collect has gone on: after a
 * reading of its heap profile 2 to 3 MiB of that were in use already. Only where V8 cannot be asked is there such a listener.
 */

import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { binding, out } from '../binding.js'
import { OUT } from '../seam.js'

export interface MajorCollections {
  count: number
  /** Bytes in use right after the last of them. */
  usedAfter: number
}

let observer: PerformanceObserver | null = null
let users = 0
let heard: MajorCollections = { count: 0, usedAfter: 0 }

/** Begins to observe this thread's collections; call the result to end it. Keeps no process alive. */
export function observeMajorGc(): () => void {
  if (asked() !== null) return () => {}
  users++
  observer ??= new PerformanceObserver((list) => {
    let majors = 0
    for (const entry of list.getEntries()) {
      const { detail } = entry as { detail?: { kind?: number } }
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) majors++
    }
    if (majors === 0) return
    // Read here and not later: what is allocated from now on is not known to be live.
    heard = { count: heard.count + majors, usedAfter: getHeapStatistics().used_heap_size }
  })
  if (users === 1) observer.observe({ entryTypes: ['gc'] })
  let ended = false
  return () => {
    if (ended) return
    ended = true
    users--
    if (users === 0) observer?.disconnect()
  }
}

/** Since this thread began to observe; a caller keeps what it saw last and compares `count`. */
export function majorCollections(): MajorCollections {
  return asked() ?? heard
}

/** V8 counts from the first time on; null where it does not tell. */
function asked(): MajorCollections | null {
  binding.readMajorGcs()
  const count = out[OUT.majorGcs]!
  return Number.isNaN(count) ? null : { count, usedAfter: out[OUT.usedAfterMajorGc]! }
}
