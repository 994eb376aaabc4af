/** What tidemark says: one wording for the terminal and the page. Pure. */

import { basename } from 'node:path'
import { jsCallers, siteName } from '../growth/sites.js'
import type { Cause, GrowthRate, Site, StackFrame, Verdict } from '../growth/verdict.js'
import { OWNERS, type Owner } from '../owners.js'
import type { AllocatorReading } from '../readings/reading.js'
import { formatBytes, formatDuration, formatRate } from '../units.js'

/** What each owner is, in the words of somebody who has never read tidemark's documents. */
export const OWNER_MEANING: Record<Owner, string> = {
  'js-heap': 'JavaScript objects',
  'js-code': 'machine code made by V8',
  'array-buffers': 'Buffers and ArrayBuffers',
  wasm: 'WebAssembly memories',
  malloc: 'native memory in use',
  'malloc-free': 'freed, and kept by the allocator',
  'thread-stacks': 'thread stacks',
  mmap: 'memory mapped by native code',
  program: 'private data of binaries',
  file: 'code and mapped files',
  shmem: 'shared memory',
  profiler: 'tidemark itself',
  unexplained: 'not accounted for',
}

/** The verdict in one sentence. */
export function headline(verdict: Verdict): string {
  const main = verdict.causes[0]
  switch (verdict.kind) {
    case 'leak':
      return main
        ? `${main.owner} grows by ${formatRate(main.growth.bytesPerHour)} and goes on growing${mostlyFrom(main)}`
        : 'memory grows and goes on growing'
    case 'retention':
      return main ? retentionWords(main) : 'the allocator keeps memory that the program has freed'
    case 'warm-up':
      return main ? `${main.owner} grew at first, then settled` : 'memory grew at first, then settled'
    case 'steady':
      return 'nothing grows'
    case 'unknown':
      return 'not enough evidence yet for a verdict'
  }
}

function retentionWords({ heldBytes, growth }: Cause): string {
  const held = heldBytes === undefined ? 'memory' : formatBytes(heldBytes)
  const more = isGrowing(growth) ? `, and ${formatRate(growth.bytesPerHour)} more` : ''
  return `the allocator keeps ${held} that the program has freed${more}`
}

/** Surely more than 0. */
export function isGrowing({ low }: GrowthRate): boolean {
  return low > 0
}

/** What an allocator keeps, and would give back. */
export function allocatorWords({ name, free, trimmable }: AllocatorReading): string {
  const trim = Number.isNaN(trimmable) ? '' : `; trim would give back ${formatBytes(trimmable)}`
  return `${name} keeps ${formatBytes(free)} free${trim}`
}

/** Of the growth of a cause, to be named for all of it. */
const MOST = 0.5

function mostlyFrom({ growth, sites }: Cause): string {
  const most = MOST * growth.bytesPerHour
  const [site] = sites
  if (!site) return ''
  const caller = callerOf(site)
  if (site.bytesPerHour >= most)
    return `, most of it from ${shortName(site)}${caller ? `, called by ${shortName(caller)}` : ''}`
  // A library allocates here and there for one call of the program.
  const same = sites.filter((other) => {
    const its = callerOf(other)
    return its !== undefined && its.function === caller?.function && its.file === caller.file
  })
  const together = same.reduce((sum, { bytesPerHour }) => sum + bytesPerHour, 0)
  return caller && together >= most ? `, most of it in calls from ${shortName(caller)}` : ''
}

/** Who called native code: of the program, unless only packages did. */
function callerOf(site: Site): StackFrame | undefined {
  const callers = jsCallers(site)
  return callers.find(({ file }) => !file.includes('/node_modules/')) ?? callers[0]
}

function shortName(named: Pick<Site, 'function' | 'file' | 'line'>): string {
  return siteName({ ...named, file: basename(named.file) })
}

/** With a capital, unless it begins with the name of an owner, which is written as it is. */
export function sentence(text: string): string {
  return OWNERS.some((owner) => text.startsWith(`${owner} `)) ? text : text.charAt(0).toUpperCase() + text.slice(1)
}

/** `15 MiB/min (14 MiB to 16 MiB)`: the rate with its 95 % interval. */
export function growthWords(growth: GrowthRate): string {
  return `${formatRate(growth.bytesPerHour)} (${intervalWords(growth)})`
}

export function intervalWords({ bytesPerHour: like, low, high }: GrowthRate): string {
  const [from, to] = [low, high].map((rate) => formatRate(rate, { like }).replace(/\/\w+$/, ''))
  return `${from} to ${to}`
}

export function skippedWords(lines: number): string {
  const what = lines === 1 ? '1 line of the timeline' : `${lines} lines of the timeline`
  return `${what} could not be read, as a killed process or a full disk leaves them; all others count`
}

export const LIMIT_SOURCE = { cgroup: 'container', rlimit: 'ulimit', system: 'memory of this machine' } as const

/** The memory limit, and when the process meets it. */
export function limitWords(limit: NonNullable<Verdict['limit']>): string {
  const what = `${formatBytes(limit.bytes)} (${LIMIT_SOURCE[limit.source]})`
  return limit.reachedInMs === null ? what : `${what}, reached in ${formatDuration(limit.reachedInMs)} at this rate`
}
