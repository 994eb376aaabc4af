/** A profile: who allocated what, as it was when the profile was taken. It does not change. */

import { toCollapsed } from '../export/collapsed.js'
import { toHeapProfile } from '../export/heapprofile.js'
import { renderHtml } from '../export/html.js'
import { pprofInSlices, toPprof } from '../export/pprof.js'
import { toSpeedscope } from '../export/speedscope.js'
import type { StackOptions } from '../export/stacks.js'
import type { ProfileColumns } from './columns.js'
import { diffColumns } from './diff.js'
import { type TopOptions, type TopRow, topRows } from './top.js'
import { type ProfileValue, valuesOf, variancesOf } from './value.js'

export interface Total {
  value: number
  /** NaN where the profile does not know it: one that was read from a file. */
  standardError: number
}

export class Profile {
  readonly columns: ProfileColumns

  constructor(columns: ProfileColumns) {
    this.columns = columns
  }

  /**
   * As pprof, compressed: all four values, every frame, labels `source`, `region`, `thread`, `owner` and `partial`.
   * On this thread and in one go: 20,000 stacks of 30 frames take about 35 ms, most of it to compress them.
   */
  toPprof(): Buffer {
    return toPprof(this.columns)
  }

  /** The same in slices of about 4 ms between which the event loop turns, compressed on another thread. */
  toPprofAsync(): Promise<Buffer> {
    return pprofInSlices(this.columns)
  }

  /** One line a stack, root first, for flamegraph.pl and others. Stacks whose value is not above 0 are left out. */
  toCollapsed(options: StackOptions = {}): string {
    return toCollapsed(this.columns, options)
  }

  /** JSON for https://www.speedscope.app. Stacks whose value is not above 0 are left out. */
  toSpeedscope(options: StackOptions = {}): string {
    return toSpeedscope(this.columns, options)
  }

  /** JSON as V8's own sampler writes it, of the bytes that live: for the Memory panel of Chrome DevTools. */
  toHeapProfile(): string {
    return toHeapProfile(this.columns)
  }

  /** A flame graph as one page that opens anywhere and loads nothing. */
  toHtml(options: StackOptions = {}): string {
    return renderHtml(this, options)
  }

  /** What this profile has more than an earlier one, stack by stack; less is negative. */
  diff(earlier: Profile): Profile {
    return new Profile(diffColumns(this.columns, earlier.columns))
  }

  /** The `n` largest sites, functions, regions, threads or owners. */
  top(n = 10, options: TopOptions = {}): TopRow[] {
    return topRows(this.columns, n, options)
  }

  total(value: ProfileValue = 'live-bytes'): Total {
    const sum = (numbers: Float64Array) => numbers.reduce((total, number) => total + number, 0)
    return {
      value: sum(valuesOf(this.columns, value)),
      standardError: Math.sqrt(sum(variancesOf(this.columns, value))),
    }
  }
}
