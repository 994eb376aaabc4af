/**
 * Used heap right after each major collection: the one series of the JS heap that a leak moves and garbage does not.
 * Used heap between collections is a sawtooth, and the resident heap overstates a leak 3.5 to 4.7 times, because V8's
 * limit grows with what is live.
 */

import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

export interface MajorCollections {
  count: number
  /** Bytes in use right after the last of them. */
  usedAfter: number
}

let observer: PerformanceObserver | null = null
let users = 0
let total: MajorCollections = { count: 0, usedAfter: 0 }

/** Begins to observe this thread's collections; call the result to end it. Keeps no process alive. */
export function observeMajorGc(): () => void {
  users++
  observer ??= new PerformanceObserver((list) => {
    let majors = 0
    for (const entry of list.getEntries()) {
      const { detail } = entry as { detail?: { kind?: number } }
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) majors++
    }
    if (majors === 0) return
    // Read here and not later: what is allocated from now on is not known to be live.
    total = { count: total.count + majors, usedAfter: getHeapStatistics().used_heap_size }
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

/** Since the process began to observe; a caller keeps what it saw last and compares `count`. */
export function majorCollections(): MajorCollections {
  return total
}
