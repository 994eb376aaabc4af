/** The verdict: the schema of `verdict.json`, version 1. Types only. */

import type { Owner } from '../owners.js'

export type VerdictKind = 'leak' | 'retention' | 'warm-up' | 'steady' | 'unknown'

export interface GrowthRate {
  bytesPerHour: number
  /** 95 % interval. */
  low: number
  high: number
}

export interface StackFrame {
  function: string
  file: string
  line: number
  column: number
  kind: 'js' | 'native'
}

export interface Site {
  bytesPerHour: number
  liveBytes: number
  standardError: number
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
  sites: Site[]
  remedy: string
}

export interface Verdict {
  version: 1
  kind: VerdictKind
  /** By growth, largest first. */
  causes: Cause[]
  limit: { bytes: number; source: 'cgroup' | 'rlimit' | 'system'; reachedInMs: number | null } | null
  evidence: string[]
}
