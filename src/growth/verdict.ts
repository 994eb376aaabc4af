/** The verdict: the schema of `verdict.json`, version 1. Types only. */

import type { Owner } from '../owners.js'
import type { StackFrame } from '../readings/reading.js'

export type { StackFrame }

export type VerdictKind = 'leak' | 'retention' | 'warm-up' | 'steady' | 'unknown'

export interface GrowthRate {
  bytesPerHour: number
  /** 95 % interval. */
  low: number
  high: number
}

/** Where memory is allocated that stays. Estimates from samples. */
export interface Site {
  bytesPerHour: number
  /** One standard error of `bytesPerHour`. */
  bytesPerHourError: number
  /** Allocated here, not freed, and no longer young. */
  liveBytes: number
  /** One standard error of `liveBytes`, bytes. */
  standardError: number
  /** The first frame of the user's own code or of an addon. */
  function: string
  file: string
  line: number
  region: string | null
  /** Leaf first. */
  stack: StackFrame[]
}

export interface Cause {
  owner: Owner
  kind: 'leak' | 'retention' | 'warm-up'
  growth: GrowthRate
  /**
   * Only for `retention`: bytes that the allocator holds and the program has freed. All that it holds now, where that goes on
   * growing, otherwise what stayed free all the time.
   */
  heldBytes?: number
  /** By growth, largest first; at most 10. Empty where nothing was sampled, or no site grows for certain. */
  sites: Site[]
  remedy: string
}

export interface Verdict {
  version: 1
  kind: VerdictKind
  /** Leaks, then retention, then warm-ups; by growth, largest first. */
  causes: Cause[]
  limit: { bytes: number; source: 'cgroup' | 'rlimit' | 'system'; reachedInMs: number | null } | null
  evidence: string[]
}
