/**
 * What a subject can measure on itself, by name. A result is nanoseconds a call.
 * Results are stored where V8 cannot see that nobody reads them, or it would not make the objects at all.
 */

import { readFileSync } from 'node:fs'
import * as tidemark from 'tidemark'
import { type LedgerNumbers, readLedgerNumbers } from '#dist/readings/raw-ledger'
import { budget, regions } from '#dist/regions/measurement'
import { loadFloors, loadHeaps } from '../floors.js'
import { median } from '../rounds.js'

const floors = loadFloors()
const heaps = loadHeaps()

// Taken out of the module, as an ES module would import them: TypeScript's CommonJS runs a getter at every use.
const { ledger, mappings, region, rusage, usage, watch } = tidemark

export let sink: unknown

function now(): number {
  return performance.now() * 1e6
}

function perCall(call: () => unknown): (calls: number) => number {
  return (calls) => {
    const began = now()
    for (let i = 0; i < calls; i++) sink = call()
    return (now() - began) / calls
  }
}

function awaited(call: () => Promise<unknown>): () => Promise<number> {
  return async () => {
    const began = now()
    sink = await call()
    return now() - began
  }
}

export const measures = {
  usage: perCall(usage),
  preadStatm: floors.preadStatm,
  noop: perCall(floors.noop),
  memoryUsageRss: perCall(process.memoryUsage.rss),
  rusageSelf: perCall(() => rusage('self')),
  rusageThread: perCall(() => rusage('thread')),
  getrusageSelf: floors.getrusageSelf,
  getrusageThread: floors.getrusageThread,

  bareCall,
  regionCall: unmeasured(regionCall),
  regionEnter: unmeasured(regionEnter),
  regionWrap: unmeasured(regionWrap),
  measuredRegion: measured(regionCall),

  mappings: (pid: number) => awaited(() => mappings(of(pid)))(),
  mappingRows: (pid: number) => awaited(async () => (await mappings(of(pid))).rows())(),
  anonymousMappings: awaited(() => mappings({ anonymousOnly: true })),
  rawSmaps: floors.rawSmaps,
  rawSmapsOnPool: (pid: number) => awaited(() => floors.rawSmapsOnPool(pid))(),
  parsedSmaps: floors.parsedSmaps,
  parsedGrowth: () => floors.parsedGrowth(0),
  splitAndRegex: (pid: number) => awaited(async () => splitAndRegex(pid))(),

  ledger: (pid: number) => awaited(() => ledger(of(pid)))(),
  lightLedger: awaited(() => readLedgerNumbers(0, 'light')),
  lightLedgerCpu: async () => cpuOf(await readLedgerNumbers(0, 'light')),
  rawLayout: floors.rawLayout,
  rssMovedByLedger: floors.rssMovedByLedger,

  /** A chunk each. */
  walk: async () => {
    const light = await readLedgerNumbers(0, 'light')
    const whole = await readLedgerNumbers(0, 'whole')
    chunks = chunksOf(whole)
    return (cpuOf(whole) - cpuOf(light)) / chunks
  },
  mallinfo: () => heaps.mallinfo() / chunks,
  copyOfHeap: () => heaps.copy() / chunks,
  kernelCopyOfHeap: () => heaps.copyByKernel() / chunks,

  /** In so many milliseconds, which are long enough for what begins with them. */
  longestMalloc: heaps.longestMalloc,
  longestMallocDuringLedger: (ms: number) => longestMalloc(() => readLedgerNumbers(0, 'whole'), ms),
  longestMallocDuringMallinfo: (ms: number) => longestMalloc(heaps.mallinfoOnPool, ms),

  /** Goes on for ever. */
  watch: () => {
    sink = watch()
    return 0
  },
  cpuTime: () => {
    const { user, system } = process.cpuUsage()
    return (user + system) * 1e3
  },

  gapDuringLedger: () => typicalGap(() => readLedgerNumbers(0, 'whole'), 3),
  idleGapOfLedger: (ms: number) => typicalGap(() => new Promise((resolve) => setTimeout(resolve, ms)), 3),

  gapDuringSmaps: () => typicalGap(() => mappings()),
  gapDuringGrowth: () => typicalGap(() => mappings({ anonymousOnly: true })),
  /** Without a reading, for as many milliseconds. */
  idleGap: (ms: number) => typicalGap(() => new Promise((resolve) => setTimeout(resolve, ms))),
} satisfies Record<string, (argument: number) => number | Promise<number>>

export type Measure = keyof typeof measures

/** Of this process's malloc, when it was last walked. */
let chunks = Number.NaN

function chunksOf({ walk }: LedgerNumbers): number {
  return walk!.arenas.reduce((sum, arena) => sum + arena.chunks, 0)
}

function cpuOf({ cpuMs }: LedgerNumbers): number {
  return cpuMs * 1e6
}

/** The JS thread is the one that allocates; what it waits for runs on a pool thread. */
async function longestMalloc(begin: () => Promise<unknown>, ms: number): Promise<number> {
  const begun = begin()
  const longest = heaps.longestMalloc(ms)
  sink = await begun
  return longest
}

/** Process 0 is this one. */
function of(pid: number): { pid?: number } {
  return pid === 0 ? {} : { pid }
}

// Several functions and names, as a service has: with a single one V8 would inline it into the region's own code.
let worked = 0
const WORK = [() => (worked += 1), () => (worked += 2), () => (worked += 3), () => (worked += 4)]
const NAMES = ['checkout', 'upload', 'search', 'resize']
const WRAPPED = WORK.map((work, i) => region.wrap(NAMES[i]!, work))

function bareCall(calls: number): number {
  const began = now()
  for (let i = 0; i < calls; i++) sink = WORK[i & 3]!()
  return (now() - began) / calls
}

function regionCall(calls: number): number {
  const began = now()
  for (let i = 0; i < calls; i++) sink = region(NAMES[i & 3]!, WORK[i & 3]!)
  return (now() - began) / calls
}

function regionEnter(calls: number): number {
  const began = now()
  for (let i = 0; i < calls; i++) {
    const handle = region.enter(NAMES[i & 3]!)
    sink = WORK[i & 3]!()
    handle.leave()
  }
  return (now() - began) / calls
}

function regionWrap(calls: number): number {
  const began = now()
  for (let i = 0; i < calls; i++) sink = WRAPPED[i & 3]!()
  return (now() - began) / calls
}

/** The lottery decides which calls are measured: here none is, because every region's next turn is far away. */
function unmeasured(run: (calls: number) => number): (calls: number) => number {
  return (calls) => {
    for (const name of NAMES) regions.find(name).gap = calls
    return run(calls)
  }
}

/** Here every call is. */
function measured(run: (calls: number) => number): (calls: number) => number {
  return (calls) => {
    budget.change(1, performance.now())
    return run(calls)
  }
}

/** How smaps is read where there is no addon. */
function splitAndRegex(pid: number): Record<string, number | string>[] {
  const rows: Record<string, number | string>[] = []
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'latin1').split('\n')) {
    const field = /^(\w+): +(\d+) kB$/.exec(line)
    if (field) {
      rows.at(-1)![field[1]!] = Number(field[2]) * 1024
      continue
    }
    const header = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)$/.exec(line)
    if (header === null) continue
    const [, start, end, perms, offset, device, inode, name] = header as unknown as string[]
    rows.push({
      start: Number.parseInt(start!, 16),
      end: Number.parseInt(end!, 16),
      perms: perms!,
      offset: Number.parseInt(offset!, 16),
      device: device!,
      inode: Number(inode),
      name: name!,
    })
  }
  return rows
}

/** Collections of the Buffers fall into some readings and not into others: the median of several. */
async function typicalGap(read: () => Promise<unknown>, times = 9): Promise<number> {
  const gaps: number[] = []
  for (let i = 0; i < times; i++) gaps.push(await longestGap(read()))
  return median(gaps)
}

/**
 * The longest turn of the event loop until `reading` is there, while the loop does what needs the address space to
 * change: it allocates a 4 MiB Buffer every millisecond. The loop never waits, so nothing but a stall makes a turn long.
 */
function longestGap(reading: Promise<unknown>): Promise<number> {
  let longest = 0
  let began = now()
  let nextBuffer = began
  let next = setImmediate(turn)
  function turn(): void {
    const ended = now()
    longest = Math.max(longest, ended - began)
    began = ended
    if (ended >= nextBuffer) {
      sink = Buffer.alloc(4 << 20)
      nextBuffer = ended + 1e6
    }
    next = setImmediate(turn)
  }
  return reading.then((result) => {
    sink = result
    clearImmediate(next)
    return Math.max(longest, now() - began)
  })
}
