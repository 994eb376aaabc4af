/**
 * timeline.ndjson: one reading a line, written as it happens, read back with doubt.
 * Each line is handed to the kernel in one write() on an O_APPEND file, so a process killed at any instant leaves
 * at most its last line torn; whatever is torn, foreign or hostile is skipped and counted when read.
 */

import { closeSync, fstatSync, openSync, readSync, constants as to, write, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode, TidemarkError } from '../errors.js'
import { OWNERS, type Owner, type OwnerBytes } from '../owners.js'
import { PROFILE_OWNERS } from '../profile/columns.js'
import {
  ALLOCATORS,
  type AllocatorReading,
  type HeapReading,
  type MemoryLimit,
  MOST_SITE_CHARACTERS,
  MOST_SITE_FRAMES,
  MOST_SITES,
  type Reading,
  type RegionLine,
  type RunInfo,
  type SiteDef,
  type SiteLine,
  type StackFrame,
} from '../readings/reading.js'
import { makeFolder } from './make-folder.js'

/** A longer line is not a reading: it is skipped without being held in memory. */
const MAX_LINE_BYTES = 1 << 20
const CHUNK_BYTES = 1 << 18
const NEWLINE = 10

/** Of what sites are, written as text, in one line: with all else that a reading holds it stays below MAX_LINE_BYTES. */
const MOST_DEF_CHARACTERS = 1 << 17

/**
 * Appends readings to a timeline. Never throws and never waits: where the disk is full, read-only or broken,
 * `onProblem` hears of it once, and each later reading is tried again.
 */
export class TimelineWriter {
  readonly path: string
  readonly #onProblem: (error: TidemarkError) => void
  #fd: number | undefined
  /** The file may end in the middle of a line: an earlier run was killed, or a full disk took only part of one. */
  #torn = false
  #writing = false
  #dropped = false
  #warned = false
  #run: RunInfo | undefined
  /** What sites are, not yet written: said once, it must not be lost with a line that the disk did not take. */
  readonly #defs = new Map<number, SiteDef>()
  #defsInLine: number[] = []

  /** `run` goes out with the first reading that the disk takes. */
  constructor(path: string, run: RunInfo, onProblem: (error: TidemarkError) => void) {
    this.path = path
    this.#run = run
    this.#onProblem = onProblem
  }

  /**
   * Writes on a pool thread, so that a slow disk never stops the service. A reading that comes while the one before
   * it is still being written is dropped: a disk that hangs must not fill the memory that is being measured.
   */
  append(reading: Reading): void {
    this.#hold(reading.siteDefs)
    if (this.#writing) {
      this.#dropped = true
      return
    }
    this.#try(reading, (fd, line) => {
      this.#writing = true
      write(fd, line, 0, line.length, null, (error, written) => {
        this.#writing = false
        this.#dropped = false
        if (error) this.#failed(error)
        else this.#wrote(written, line.length)
      })
    })
  }

  /** For the first and the last reading of a process. Skipped where the disk has hung: ending must not wait for it. */
  appendSync(reading: Reading): void {
    this.#hold(reading.siteDefs)
    if (this.#writing && this.#dropped) return
    this.#try(reading, (fd, line) => this.#wrote(writeSync(fd, line), line.length))
  }

  #try(reading: Reading, writeLine: (fd: number, line: Buffer) => void): void {
    try {
      this.#fd ??= this.#open()
      const text = JSON.stringify(this.#complete(reading))
      writeLine(this.#fd, Buffer.from(`${this.#torn ? '\n' : ''}${text}\n`))
    } catch (error) {
      this.#failed(error)
    }
  }

  #hold(defs: SiteDef[] | undefined): void {
    for (const def of defs ?? []) this.#defs.set(def.site, def)
    // Those that were held longest are the likeliest to be out of the readings again.
    for (const site of this.#defs.keys()) {
      if (this.#defs.size <= MOST_SITES) break
      this.#defs.delete(site)
    }
  }

  /** The reading with what is still to be said: who is read, and as many of the sites as a line may hold. */
  #complete({ siteDefs: _, ...reading }: Reading): Reading {
    const defs: SiteDef[] = []
    let characters = 0
    for (const def of this.#defs.values()) {
      characters += JSON.stringify(def).length
      if (defs.length > 0 && characters > MOST_DEF_CHARACTERS) break
      defs.push(def)
    }
    this.#defsInLine = defs.map(({ site }) => site)
    return { ...reading, ...(defs.length > 0 && { siteDefs: defs }), ...(this.#run && { run: this.#run }) }
  }

  #open(): number {
    makeFolder(dirname(this.path))
    const fd = openSync(this.path, 'a')
    this.#torn = fstatSync(fd).size > 0
    return fd
  }

  #wrote(written: number, wanted: number): void {
    this.#torn = written < wanted
    if (this.#torn) return
    this.#run = undefined
    for (const site of this.#defsInLine) this.#defs.delete(site)
  }

  #failed(error: unknown): void {
    // A failed write() may have left part of the line; a blank line too many costs nothing.
    this.#torn = true
    if (this.#warned) return
    this.#warned = true
    this.#onProblem(cannotWrite(this.path, error))
  }
}

export function cannotWrite(path: string, cause: unknown): TidemarkError {
  const code = errorCode(cause)
  const remedy =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'free some space or choose another disk with --out'
      : 'choose a folder that can be written with --out'
  return new TidemarkError('ERR_TIDEMARK_OUT_WRITE', `cannot write ${path} (${code}): ${remedy}`, { cause })
}

/**
 * The readings of a timeline, in order, in constant memory. `onSkip` is called for each line that is not a reading.
 * @throws {TidemarkError} `ERR_TIDEMARK_RUN_FOLDER` if the file cannot be read
 */
export function* readTimeline(path: string, onSkip: () => void): Generator<Reading> {
  for (const line of lines(path, onSkip)) {
    if (line.trim() === '') continue
    const reading = parseReading(line)
    if (reading === null) onSkip()
    else yield reading
  }
}

function* lines(path: string, onSkip: () => void): Generator<string> {
  const { fd, size } = openTimeline(path)
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    let carried: Buffer[] = []
    let carriedBytes = 0
    let left = size
    const take = (end: Buffer): string | null => {
      const line = carriedBytes + end.length > MAX_LINE_BYTES ? null : Buffer.concat([...carried, end]).toString()
      carried = []
      carriedBytes = 0
      return line
    }
    // Not past the size seen at the start: a service that still writes must not keep its reader for ever.
    while (left > 0) {
      const got = readSync(fd, chunk, 0, Math.min(chunk.length, left), null)
      if (got === 0) break
      left -= got
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0 && at < got; at = chunk.indexOf(NEWLINE, from)) {
        const line = take(chunk.subarray(from, at))
        if (line === null) onSkip()
        else yield line
        from = at + 1
      }
      carriedBytes += got - from
      if (carriedBytes <= MAX_LINE_BYTES) carried.push(Buffer.from(chunk.subarray(from, got)))
      else carried = []
    }
    const last = take(Buffer.alloc(0))
    if (last === null) onSkip()
    else yield last
  } finally {
    closeSync(fd)
  }
}

function openTimeline(path: string): { fd: number; size: number } {
  try {
    // O_NONBLOCK: opening a FIFO that somebody put here would otherwise wait for ever.
    const fd = openSync(path, to.O_RDONLY | to.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (stat.isFile()) return { fd, size: stat.size }
    closeSync(fd)
  } catch (cause) {
    throw new TidemarkError(
      'ERR_TIDEMARK_RUN_FOLDER',
      `cannot read ${path} (${errorCode(cause)}): give the folder that \`tidemark run\` named when it ended`,
      { cause },
    )
  }
  throw new TidemarkError(
    'ERR_TIDEMARK_RUN_FOLDER',
    `${path} is not a regular file: give a folder made by tidemark run`,
  )
}

/** The reading in one line of a timeline; null where the line is anything else. */
export function parseReading(line: string): Reading | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  if (!isRecord(value)) return null
  const { t, rss } = value
  if (!isAmount(t) || t > MAX_TIME || !isAmount(rss)) return null
  const reading: Reading = {
    t,
    rss,
    anon: amountOrNaN(value.anon),
    file: amountOrNaN(value.file),
    shmem: amountOrNaN(value.shmem),
    swap: amountOrNaN(value.swap),
    owners: toOwners(value.owners),
  }
  const carried = toCarried(value.carried)
  if (carried) reading.carried = carried
  const allocator = toAllocator(value.allocator)
  if (allocator) reading.allocator = allocator
  const heap = toHeap(value.heap)
  if (heap) reading.heap = heap
  const majorGc = toMajorGc(value.majorGc)
  if (majorGc) reading.majorGc = majorGc
  const limit = toLimit(value.limit)
  if (limit) reading.limit = limit
  const regions = toRegions(value.regions)
  if (regions) reading.regions = regions
  const sites = toSites(value.sites)
  if (sites) reading.sites = sites
  const siteDefs = toSiteDefs(value.siteDefs)
  if (siteDefs) reading.siteDefs = siteDefs
  const run = toRun(value.run)
  if (run) reading.run = run
  return reading
}

/** The last instant that a Date can hold, ms. */
const MAX_TIME = 8.64e15

/** More than an address space holds is no amount of memory, and its square is still a number. */
const MAX_BYTES = 2 ** 57

type Fields = Record<string, unknown>

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isAmount(value: unknown): value is number {
  return isNumber(value) && value >= 0
}

/** JSON has no NaN: what could not be known when it was written is `null` in the file. */
function amountOrNaN(value: unknown): number {
  return isAmount(value) ? value : Number.NaN
}

function toOwners(value: unknown): OwnerBytes {
  const owners: OwnerBytes = {}
  if (!isRecord(value)) return owners
  for (const owner of OWNERS) {
    const bytes = value[owner]
    if (isNumber(bytes) && (bytes >= 0 || owner === ('unexplained' satisfies Owner))) owners[owner] = bytes
  }
  return owners
}

function toCarried(value: unknown): Owner[] | undefined {
  if (!Array.isArray(value)) return undefined
  const carried = OWNERS.filter((owner) => value.includes(owner))
  return carried.length > 0 ? carried : undefined
}

/** Parts are taken for no more than the whole: a remedy that gives back more than is held would be nonsense. */
function toAllocator(value: unknown): AllocatorReading | undefined {
  if (!isRecord(value)) return undefined
  const name = ALLOCATORS.find((known) => known === value.name)
  const { live, free, trimmable, inThreadArenas } = value
  if (!name || !isAmount(live) || !isAmount(free) || !isAmount(inThreadArenas)) return undefined
  if (Math.max(live, free) > MAX_BYTES) return undefined
  return {
    name,
    live,
    free,
    trimmable: Math.min(amountOrNaN(trimmable), free),
    inThreadArenas: Math.min(inThreadArenas, free),
  }
}

function toHeap(value: unknown): HeapReading | undefined {
  if (!isRecord(value)) return undefined
  const { used, total, external, arrayBuffers, limit } = value
  if (!isAmount(used) || !isAmount(total) || !isAmount(external) || !isAmount(arrayBuffers)) return undefined
  return { used, total, external, arrayBuffers, ...(isAmount(limit) && { limit }) }
}

function toMajorGc(value: unknown): Reading['majorGc'] {
  if (!isRecord(value)) return undefined
  const { count, usedAfter } = value
  return isAmount(count) && isAmount(usedAfter) ? { count, usedAfter } : undefined
}

function toLimit(value: unknown): MemoryLimit | undefined {
  if (!isRecord(value)) return undefined
  const { bytes, source, used } = value
  if (!isAmount(bytes) || !isAmount(used)) return undefined
  if (source !== 'cgroup' && source !== 'rlimit' && source !== 'system') return undefined
  return { bytes, source, used }
}

function toRegions(value: unknown): Record<string, RegionLine> | undefined {
  if (!isRecord(value)) return undefined
  // fromEntries defines properties: a region called `__proto__` stays a name.
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, line]) => {
      const region = toRegionLine(line)
      return region ? [[name, region] as const] : []
    }),
  )
}

function toRegionLine(value: unknown): RegionLine | undefined {
  if (!isRecord(value)) return undefined
  const { calls, measured, wallMs, cpuMs, rss, anon } = value
  if (!isAmount(calls) || !isAmount(measured)) return undefined
  const number = (field: unknown) => (isNumber(field) ? field : Number.NaN)
  return { calls, measured, wallMs: number(wallMs), cpuMs: number(cpuMs), rss: number(rss), anon: number(anon) }
}

function toSites(value: unknown): SiteLine[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.slice(0, MOST_SITES).flatMap((line: unknown) => {
    if (!isRecord(line)) return []
    const { site, live, variance, samples } = line
    const sound = isId(site) && isAmount(live) && isAmount(variance) && isAmount(samples)
    return sound && live <= MAX_BYTES && variance <= MAX_BYTES ** 2 ? [{ site, live, variance, samples }] : []
  })
}

function toSiteDefs(value: unknown): SiteDef[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.slice(0, MOST_SITES).flatMap((entry: unknown) => {
    if (!isRecord(entry)) return []
    const { site, region, kind, stack, thread } = entry
    const frame = toPlace(entry)
    const owner = PROFILE_OWNERS.find((name) => name === entry.owner)
    if (!isId(site) || !frame || !owner || !isText(region) || (kind !== '' && kind !== 'cache')) return []
    if (!Array.isArray(stack)) return []
    const frames = stack.slice(0, MOST_SITE_FRAMES).flatMap((call: unknown) => toFrame(call) ?? [])
    const by = isText(thread) && { thread: short(thread) }
    return [{ site, ...frame, region: short(region), kind, owner, stack: frames, ...by }]
  })
}

function toFrame(value: unknown): StackFrame | undefined {
  if (!isRecord(value)) return undefined
  const place = toPlace(value)
  const { column, kind } = value
  if (!place || !isPosition(column) || (kind !== 'js' && kind !== 'native')) return undefined
  return { ...place, column, kind }
}

function toPlace({ function: name, file, line }: Fields): Pick<StackFrame, 'function' | 'file' | 'line'> | undefined {
  if (!isText(name) || !isText(file) || !isPosition(line)) return undefined
  return { function: short(name), file: short(file), line }
}

const short = (text: string) => text.slice(0, MOST_SITE_CHARACTERS)
const isText = (value: unknown): value is string => typeof value === 'string'
const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isPosition = (value: unknown): value is number => isId(value) && value < 2 ** 31

function toRun(value: unknown): RunInfo | undefined {
  if (!isRecord(value)) return undefined
  const { tidemark, node, pid, script, argv, intervalMs, startedAt } = value
  if (typeof tidemark !== 'string' || typeof node !== 'string' || typeof script !== 'string') return undefined
  if (!isAmount(pid) || !isAmount(intervalMs) || typeof startedAt !== 'string') return undefined
  if (!Array.isArray(argv) || !argv.every((word) => typeof word === 'string')) return undefined
  return { tidemark, node, pid, script, argv, intervalMs, startedAt }
}
