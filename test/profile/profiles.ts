/** Profiles written down by hand, for tests that want to see every number. */

import { type Frame, PROFILE_OWNERS, type ProfileColumns, type ProfileMapping } from '#dist/profile/columns'
import { ColumnsBuilder, type TraceSums } from '#dist/profile/columns-builder'

/** By index: Node, libc, an addon. */
export const MAPPINGS: ProfileMapping[] = [
  { path: '/usr/bin/node', buildId: 'aa01', start: 0x400000, end: 0x6000000, offset: 0 },
  { path: '/lib/x86_64-linux-gnu/libc.so.6', buildId: 'bb02', start: 0x26000, end: 0x17b000, offset: 0x26000 },
  { path: '/app/node_modules/images/build/images.node', buildId: 'cc03', start: 0x1000, end: 0x90000, offset: 0x1000 },
]

export function js(name: string, file = '/app/server.js', line = 1, column = 1): Frame {
  return { function: name, file, line, column, kind: 'js', inlined: false, mapping: -1, address: 0 }
}

function native(name: string, mapping: number, address: number): Frame {
  return { function: name, file: '', line: 0, column: 0, kind: 'native', inlined: false, mapping, address }
}

export const inNode = (name: string, address = 0x401000) => native(name, 0, address)
export const inLibc = (name: string, address = 0x27000) => native(name, 1, address)
export const inAddon = (name: string, address = 0x2000) => native(name, 2, address)

export interface WrittenTrace {
  /** Leaf first. */
  stack: Frame[]
  live?: Partial<TraceSums>
  allocated?: Partial<TraceSums>
  source?: 'native' | 'js'
  region?: string
  thread?: string
  owner?: (typeof PROFILE_OWNERS)[number]
  partial?: number
}

export function profileOf(traces: WrittenTrace[], facts: Partial<ProfileColumns> = {}): ProfileColumns {
  const frames: Frame[] = []
  const regions = ['']
  const threads = ['main']
  const builder = new ColumnsBuilder()
  for (const trace of traces) {
    const {
      stack,
      live = {},
      allocated = live,
      source = 'native',
      region = '',
      thread = 'main',
      owner = 'malloc',
    } = trace
    builder.add({
      stack: stack.map((frame) => {
        const index = frames.indexOf(frame)
        return index >= 0 ? index : frames.push(frame) - 1
      }),
      source: source === 'js' ? 1 : 0,
      region: numberOf(regions, region),
      thread: numberOf(threads, thread),
      partial: trace.partial ?? 0,
      owner: PROFILE_OWNERS.indexOf(owner),
      live: sums(live),
      allocated: sums(allocated),
      old: sums(live),
    })
  }
  return builder.finish({
    startedAt: 1_780_000_000_123,
    durationMs: 60_000,
    intervalBytes: 524288,
    jsIntervalBytes: 0,
    jsHeapAt: 0,
    oldMs: 2000,
    frames,
    regions,
    regionKinds: regions.map(() => ''),
    threads,
    mappings: MAPPINGS,
    notes: [],
    ...facts,
  })
}

function sums({
  count = 1,
  bytes = 0,
  countVariance = 0,
  bytesVariance = 0,
  samples = 1,
}: Partial<TraceSums>): TraceSums {
  return { count, bytes, countVariance, bytesVariance, samples }
}

function numberOf(names: string[], name: string): number {
  const index = names.indexOf(name)
  return index >= 0 ? index : names.push(name) - 1
}

/** Names that have ended formats before. */
export const ODD_NAMES = [
  '',
  ' ',
  ';',
  'a;b',
  'a\nb\r\nc',
  'ends in 12',
  '"quoted" \\ \'name\'',
  '</script><!--',
  '日本語 🚀 \u202e',
  '__proto__',
  'constructor',
  '\ud800',
  '\u0000',
]

/** Of sums that are no plain amounts. */
export const ODD_VALUES = [
  0,
  -0,
  -1,
  -(2 ** 40),
  0.4,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e300,
]

/** Every odd name as function, file, region and thread, every odd value, empty stacks and stacks of 128 frames. */
export function oddProfile(): ProfileColumns {
  const odd = ODD_NAMES.flatMap((name): WrittenTrace[] => [
    { stack: [js(name, name), js('main')], live: { bytes: 1000 }, region: name, thread: name },
    { stack: [inAddon(name), inNode(name), js(name, `/app/${name}.js`, 0, 0)], live: { bytes: 100 } },
  ])
  const values = ODD_VALUES.map((value): WrittenTrace => {
    return { stack: [js('value'), js('main')], live: { bytes: value, count: value, bytesVariance: value } }
  })
  const deep = Array.from({ length: 128 }, (_, i) => js(`level ${i}`))
  return profileOf([
    ...odd,
    ...values,
    { stack: [], live: { bytes: 7 } },
    { stack: deep, live: { bytes: 128 }, partial: 2 },
  ])
}
