/** Profiles made up from a seed: like those of a real service in their numbers, the same on every run. */

import type { Frame, ProfileColumns, ProfileMapping } from '#dist/profile/columns'
import { ColumnsBuilder } from '#dist/profile/columns-builder'
import { random } from '../growth/random.js'

export interface Shape {
  seed: number
  traces: number
  frames: number
  /** Mean. */
  depth: number
}

const MAPPINGS: ProfileMapping[] = [
  { path: '/usr/bin/node', buildId: 'aa01', start: 0x400000, end: 0x6000000, offset: 0 },
  { path: '/lib/x86_64-linux-gnu/libc.so.6', buildId: 'bb02', start: 0x26000, end: 0x17b000, offset: 0x26000 },
  { path: '/app/node_modules/images/images.node', buildId: 'cc03', start: 0x1000, end: 0x90000, offset: 0x1000 },
]

/** Stacks grow out of each other, as those of one program do: each shares all but a few frames near the leaf with an earlier one. */
export function syntheticProfile({ seed, traces, frames: count, depth }: Shape): ProfileColumns {
  const { uniform: draw } = random(seed)
  const below = (n: number) => Math.floor(draw() * n)
  const frames: Frame[] = Array.from({ length: count }, (_, i) => {
    const native = i % 3 === 0
    const mapping = native ? below(MAPPINGS.length) : -1
    return {
      function: native ? `native::Klass${i}::method_${i}` : `function${i}`,
      file: native ? '' : `/app/src/folder${i % 17}/file${i % 257}.js`,
      line: native ? 0 : 1 + below(2000),
      column: native ? 0 : 1 + below(80),
      kind: native ? 'native' : 'js',
      inlined: false,
      mapping,
      address: native ? MAPPINGS[mapping]!.start + 16 * i : 0,
    }
  })
  const builder = new ColumnsBuilder()
  const stacks: number[][] = []
  for (let trace = 0; trace < traces; trace++) {
    const length = Math.max(1, Math.round(depth * (0.5 + draw())))
    const parent = stacks[below(stacks.length)] ?? []
    const own = 1 + Math.floor(-4 * Math.log(1 - draw()))
    const stack = parent.slice(0, Math.max(0, length - own))
    // Cubed: a few functions are in most stacks, most functions in few.
    while (stack.length < length) stack.push(Math.floor(count * draw() ** 3))
    stacks.push(stack)
    const source = draw() < 0.3 ? 1 : 0
    const sums = () => {
      const samples = 1 + below(5)
      const bytes = samples * 524288 * (1 + draw())
      const weight = 1 + draw() * 4000
      return {
        count: samples * weight,
        bytes,
        countVariance: samples * weight ** 2,
        bytesVariance: bytes ** 2,
        samples,
      }
    }
    builder.add({
      stack: [...stack].reverse(),
      source,
      region: below(12),
      thread: below(5),
      partial: draw() < 0.02 ? 1 : 0,
      owner: source === 1 ? 2 : below(2),
      allocated: sums(),
      live: sums(),
      old: sums(),
    })
  }
  return builder.finish({
    startedAt: 1_780_000_000_123,
    durationMs: 60_000,
    intervalBytes: 524288,
    jsIntervalBytes: 524288,
    jsHeapAt: 0,
    oldMs: 30_000,
    frames,
    regions: ['', ...Array.from({ length: 11 }, (_, i) => `region ${i}`)],
    regionKinds: Array.from({ length: 12 }, () => ''),
    threads: ['main', 'worker 1', 'worker 2', 'libuv-worker', 'node'],
    mappings: MAPPINGS,
    notes: [],
  })
}
