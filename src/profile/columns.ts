/**
 * A profile as plain numbers: who allocated how much, by stack, region, thread and owner.
 * Columns instead of an object per trace: 20,000 stacks of 30 frames then cross threads, merge and are written out without
 * 600,000 objects. Everything that makes a profile fills these, everything that reads one starts here.
 */

export interface Frame {
  function: string
  /** '' where it is not known. */
  file: string
  /** Where the function begins. 1-based, 0 where it is not known. */
  line: number
  column: number
  /** Where in it the call is. Absent where that is not known, as mostly in code that V8 has not optimized. */
  call?: { line: number; column: number }
  kind: 'js' | 'native'
  /** The call was inlined into the caller's machine code. */
  inlined: boolean
  /** Index in `mappings`, -1 for JS. */
  mapping: number
  /** Address in the file of the mapping (link-time), 0 for JS. */
  address: number
}

/**
 * Code of one file. The first mapping of a profile is the executable's, as in pprof: Node's own frames are told by it.
 * `start`, `end` and `Frame.address` count from the same zero, the file's link-time one, so that profiles of two processes compare.
 */
export interface ProfileMapping {
  path: string
  buildId: string
  start: number
  end: number
  /** Of `start` in the file. */
  offset: number
}

/**
 * Estimates, one number per trace: the sum, its variance, and the number of samples behind it.
 * NaN where the source does not know: V8's sampler knows what lives, not what was ever allocated.
 */
export interface Sums {
  count: Float64Array
  bytes: Float64Array
  countVariance: Float64Array
  bytesVariance: Float64Array
  samples: Float64Array
}

export const PROFILE_OWNERS = ['malloc', 'array-buffers', 'js-heap'] as const

export interface ProfileColumns {
  /** ms since the epoch. */
  startedAt: number
  durationMs: number
  intervalBytes: number
  /** 0 where the JS heap was not sampled. */
  jsIntervalBytes: number
  /** When the JS heap was read, ms since the epoch: perhaps before the rest, because reading it collects it. 0: not at all. */
  jsHeapAt: number
  frames: readonly Frame[]
  /** Indices in `frames` of all traces, leaf first, one trace after another: trace i is [starts[i], starts[i + 1]). */
  stackFrames: Uint32Array
  /** One more than there are traces. */
  starts: Uint32Array
  /** Per trace: 0 native, 1 js. */
  source: Uint8Array
  /** Per trace: index in `regions`; 0 is outside every region. */
  region: Uint32Array
  /** Per trace: index in `threads`. */
  thread: Uint16Array
  /** Per trace, bits: 1 = frames between the leaf and the JS part are missing, 2 = truncated at 128 frames. */
  partial: Uint8Array
  /** Per trace: index in `PROFILE_OWNERS`. */
  owner: Uint8Array
  /** Since the start, freed or not. */
  allocated: Sums
  /** Not freed when the profile was taken. */
  live: Sums
  /** What of `live` is older than `oldMs`: leaks are judged on it. */
  old: Sums
  oldMs: number
  /** regions[0] is ''. */
  regions: readonly string[]
  regionKinds: readonly ('' | 'cache')[]
  threads: readonly string[]
  mappings: readonly ProfileMapping[]
  /** What was lost or could not be known, in sentences; empty is good. */
  notes: readonly string[]
}
