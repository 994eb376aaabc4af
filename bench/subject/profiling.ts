/**
 * A process in which one thing about profiles is measured, which its argument names; it answers each message with another
 * measurement.
 */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { type Profile, type ProfileSession, profile, status } from 'tidemark'
import { startProfile } from '#dist/profile/session'
import { takeReading } from '#dist/readings/take-reading'
import { loadAllocations, loopOf } from '../sampling/allocations.js'

export type Subject = 'sample' | 'tables' | 'churn' | 'export'

export interface SampleCost {
  /** CPU time of a malloc and a free with a sample taken of it and without, ns. */
  sampled: number
  unsampled: number
  frames: number
}

export interface Tables {
  bytes: number
  ms: number
  installMs: number
  objects: number
}

export interface Churn {
  functions: number
  entries: number
  codeBytes: number
  profilerBytes: number
}

export interface Exported {
  traces: number
  /** With `toPprof()`, as a process does that ends. */
  atOnce: ExportTime
  /** With `toPprofAsync()`, as one does that goes on. */
  inTurns: ExportTime
}

/** From asking for a snapshot to its bytes as pprof, and the longest turn of the event loop meanwhile. */
export interface ExportTime {
  totalMs: number
  longestTurnMs: number
}

const allocations = loadAllocations()

const now = () => performance.now()

// ---- A sample of a mixed stack.

const OPERATIONS = 20_000

/** JavaScript that calls native code that calls JavaScript: the depth makes 30 frames of it. */
function outer(depth: number): number {
  return depth === 0 ? allocations.through(() => inner(4)) : outer(depth - 1) + 0
}

function inner(depth: number): number {
  return depth === 0 ? allocations.run(loopOf('pair of 64 B'), OPERATIONS, 1) : inner(depth - 1) + 0
}

async function sampleCost(): Promise<SampleCost> {
  const DEPTH = 4
  outer(DEPTH)
  const unsampled = outer(DEPTH)
  const session = startProfile({ intervalBytes: 1, jsHeap: false })
  outer(DEPTH)
  const sampled = outer(DEPTH)
  const { columns } = await session.stop()
  let busiest = 0
  for (let i = 1; i < columns.allocated.count.length; i++) {
    if (columns.allocated.count[i]! > columns.allocated.count[busiest]!) busiest = i
  }
  return { sampled, unsampled, frames: columns.starts[busiest + 1]! - columns.starts[busiest]! }
}

// ---- Unwind tables with a large library loaded.

async function tables(): Promise<Tables> {
  require('sharp')
  const session = profile.start({ jsHeap: false })
  await turn()
  const { unwindBytes, unwindMs, installMs, objects } = status().profiler
  await session.stop()
  return { bytes: unwindBytes, ms: unwindMs, installMs, objects }
}

// ---- Functions that come and go, for as long as the process lives.

let churned = 0

async function churn(): Promise<Churn> {
  // While a profile is taken the names of all code are kept.
  if (churned === 0) profile.start({ jsHeap: false })
  const until = now() + 1000
  while (now() < until) {
    for (let i = 0; i < 200; i++) new Function('a', `return a + ${churned++}`)(i)
    await turn()
  }
  const { codeEntries, codeBytes } = status().profiler
  const { owners } = await takeReading()
  return { functions: churned, entries: codeEntries, codeBytes, profilerBytes: owners.profiler! }
}

// ---- A snapshot of many stacks, as pprof.

const STACKS = 20_000
const PATH_BITS = 15
const MORE_FRAMES = 6

/** Each bit of `path` is a call of one of two functions: as many stacks as there are paths. */
function descend(path: number, depth: number): void {
  if (depth === 0) climb(MORE_FRAMES)
  else if (path & 1) descend(path >> 1, depth - 1)
  else descendOther(path >> 1, depth - 1)
}

function descendOther(path: number, depth: number): void {
  if (depth === 0) climb(MORE_FRAMES)
  else if (path & 1) descend(path >> 1, depth - 1)
  else descendOther(path >> 1, depth - 1)
}

/** Large beside the interval, so that nearly every block is a sample; nobody touches its pages. */
function climb(depth: number): void {
  if (depth === 0) allocations.retain(65_536)
  else climb(depth - 1)
}

async function retainStacks(): Promise<void> {
  for (let path = 0; path < STACKS; path++) {
    descend(path, PATH_BITS)
    // The raw stacks are taken over about once a second, or when there are many.
    if (path % 1000 === 999) await sleep(50)
  }
  await sleep(1500)
}

let exporting: ProfileSession | undefined

async function exported(): Promise<Exported> {
  if (exporting === undefined) {
    exporting = profile.start({ intervalBytes: 4096, jsHeap: false })
    await retainStacks()
  }
  const atOnce = await timed(async (taken) => taken.toPprof())
  const inTurns = await timed((taken) => taken.toPprofAsync())
  return { traces: atOnce.traces, atOnce, inTurns }
}

async function timed(encode: (taken: Profile) => Promise<Buffer>): Promise<ExportTime & { traces: number }> {
  let longestTurnMs = 0
  let ended = false
  const watching = (async () => {
    for (let began = now(); !ended; ) {
      await turn()
      longestTurnMs = Math.max(longestTurnMs, now() - began)
      began = now()
    }
  })()
  const began = now()
  const taken = await exporting!.snapshot()
  await turn()
  await encode(taken)
  const totalMs = now() - began
  ended = true
  await watching
  return { traces: taken.columns.region.length, totalMs, longestTurnMs }
}

const SUBJECTS: Record<Subject, () => Promise<object>> = { sample: sampleCost, tables, churn, export: exported }

process.on('message', async () => {
  process.send!(await SUBJECTS[process.argv[2] as Subject]())
})
process.send!('ready')
