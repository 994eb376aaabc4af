import { binding } from '../binding.js'
import { TidemarkError } from '../errors.js'
import { OWNERS, type Owner } from '../owners.js'
import { GROWTH_CELLS, type RawTable, SMAPS_CELLS } from '../seam.js'
import type { Mapping, MappingColumn, MappingTotals } from './mapping.js'
import { diffMappings, type MappingsDiff } from './mappings-diff.js'
import { mappingsText } from './mappings-text.js'
import { checkPid } from './pid.js'
import { noMemoryError, procError } from './proc-error.js'

export interface MappingGroup extends MappingTotals {
  key: string
}

type Cell = (typeof SMAPS_CELLS)[number]

const INDEX = new Map<string, number>(SMAPS_CELLS.map((cell, i) => [cell, i]))
const WIDTH = SMAPS_CELLS.length
const STRING_CELLS = new Set<string>(['perms', 'device', 'name', 'flags', 'owner'])
const NUMBER_CELLS = SMAPS_CELLS.filter((cell) => !STRING_CELLS.has(cell)) as Exclude<MappingColumn, 'size'>[]

function permsText(bits: number): string {
  return `${bits & 1 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 4 ? 'x' : '-'}${bits & 8 ? 's' : 'p'}`
}

function permsBits(text: string): number {
  return ['r', 'w', 'x', 's'].reduce((bits, letter, i) => (text[i] === letter ? bits | (1 << i) : bits), 0)
}

/** Native code packs major << 20 | minor. */
function deviceText(packed: number): string {
  const hex = (n: number) => n.toString(16).padStart(2, '0')
  return `${hex(packed >>> 20)}:${hex(packed & 0xfffff)}`
}

function devicePacked(text: string): number {
  const [major = '0', minor = '0'] = text.split(':')
  return (Number.parseInt(major, 16) << 20) | Number.parseInt(minor, 16)
}

/**
 * The mappings of a process at one moment, by address. Numbers are kept in one array and rows are made when asked for:
 * objects for 2,000 mappings cost more than the kernel's own reading.
 */
export class Mappings implements Iterable<Mapping> {
  readonly length: number
  readonly #cells: Float64Array
  readonly #names: string[]
  readonly #flags: string[]

  private constructor(cells: Float64Array, names: string[], flags: string[]) {
    this.length = cells.length / WIDTH
    this.#cells = cells
    this.#names = names
    this.#flags = flags
  }

  /** From what native code read; `columns` names the cells of its rows. */
  static fromRaw(raw: RawTable, columns: readonly string[]): Mappings {
    if (columns === SMAPS_CELLS) return new Mappings(raw.cells, raw.names, raw.flags ?? [])
    const cells = new Float64Array(raw.rows * WIDTH).fill(Number.NaN)
    const places = columns.map((column) => INDEX.get(column)!)
    const flags = INDEX.get('flags')!
    let from = 0
    for (let to = 0; to < cells.length; to += WIDTH) {
      for (const place of places) cells[to + place] = raw.cells[from++]!
      cells[to + flags] = 0
    }
    return new Mappings(cells, raw.names, [''])
  }

  /**
   * Rebuilds a table from rows that `toJSON()` gave, in any order.
   * @throws {TidemarkError} `ERR_TIDEMARK_FILE` when they are not such rows
   */
  static from(rows: unknown): Mappings {
    const bad = (what: string) => new TidemarkError('ERR_TIDEMARK_FILE', `not a saved table of mappings: ${what}`)
    if (!Array.isArray(rows)) throw bad('it is no array; save one with `tidemark maps PID --json`')
    const names: string[] = []
    const flags: string[] = []
    const cells = new Float64Array(rows.length * WIDTH)
    const intern = (strings: string[], index: Map<string, number>, s: string) => {
      if (!index.has(s)) index.set(s, strings.push(s) - 1)
      return index.get(s)!
    }
    const nameIndex = new Map<string, number>()
    const flagIndex = new Map<string, number>()
    const sorted = rows.map((row: unknown, i) => {
      if (typeof row !== 'object' || row === null) throw bad(`entry ${i} is no mapping`)
      const m = row as Partial<Mapping>
      for (const key of ['start', 'end', 'anon'] as const) {
        if (typeof m[key] !== 'number' || !Number.isFinite(m[key])) throw bad(`entry ${i} has no number '${key}'`)
      }
      return m
    })
    sorted.sort((a, b) => a.start! - b.start!)
    sorted.forEach((m, r) => {
      const set = (cell: Cell, value: number) => {
        cells[r * WIDTH + INDEX.get(cell)!] = value
      }
      for (const cell of NUMBER_CELLS) set(cell, typeof m[cell] === 'number' ? m[cell] : Number.NaN)
      set('perms', permsBits(String(m.perms ?? '')))
      set('device', devicePacked(String(m.device ?? '')))
      set('name', intern(names, nameIndex, String(m.name ?? '')))
      set('flags', intern(flags, flagIndex, String(m.flags ?? '')))
      const owner = OWNERS.indexOf(m.owner as Owner)
      set('owner', owner < 0 ? OWNERS.indexOf('unexplained') : owner)
    })
    return new Mappings(cells, names, flags)
  }

  /** One number of every mapping, in address order. */
  column(name: MappingColumn): Float64Array {
    if (name === 'size') {
      const start = this.column('start')
      return this.column('end').map((end, r) => end - start[r]!)
    }
    const c = INDEX.get(name)
    if (c === undefined) throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `mappings have no column '${name}'`)
    const column = new Float64Array(this.length)
    for (let r = 0; r < this.length; r++) column[r] = this.#cells[r * WIDTH + c]!
    return column
  }

  row(r: number): Mapping {
    if (!(Number.isInteger(r) && r >= 0 && r < this.length)) {
      throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `there is no mapping ${r}: the table has ${this.length}`)
    }
    const cell = (name: Cell) => this.#cells[r * WIDTH + INDEX.get(name)!]!
    const row = { size: cell('end') - cell('start') } as Mapping
    for (const name of NUMBER_CELLS) row[name] = cell(name)
    row.perms = permsText(cell('perms'))
    row.device = deviceText(cell('device'))
    row.name = this.#names[cell('name')] ?? ''
    row.flags = this.#flags[cell('flags')] ?? ''
    row.owner = OWNERS[cell('owner')] ?? 'unexplained'
    return row
  }

  rows(): Mapping[] {
    return Array.from(this)
  }

  *[Symbol.iterator](): Iterator<Mapping> {
    for (let r = 0; r < this.length; r++) yield this.row(r)
  }

  /** Sums over all mappings. */
  totals(): MappingTotals {
    const sum = (name: MappingColumn) => this.column(name).reduce((a, b) => a + b, 0)
    return {
      count: this.length,
      size: sum('size'),
      rss: sum('rss'),
      pss: sum('pss'),
      anon: sum('anon'),
      swap: sum('swap'),
    }
  }

  /** Only the mappings with more than `bytes` resident (in a table of anonymous memory, anonymous). */
  over(bytes: number): Mappings {
    if (!(bytes >= 0)) throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `over() takes bytes, not ${String(bytes)}`)
    const rss = this.column('rss')
    const anon = this.column('anon')
    const kept: number[] = []
    for (let r = 0; r < this.length; r++) {
      if ((Number.isNaN(rss[r]!) ? anon[r]! : rss[r]!) > bytes) kept.push(r)
    }
    const cells = new Float64Array(kept.length * WIDTH)
    kept.forEach((r, i) => {
      cells.set(this.#cells.subarray(r * WIDTH, (r + 1) * WIDTH), i * WIDTH)
    })
    return new Mappings(cells, this.#names, this.#flags)
  }

  /**
   * Sums by name or by owner, largest RSS first. By owner, a private file mapping's anonymous pages are the program's
   * and the rest of it is `file`; plain anonymous mappings are named `[anon]`.
   */
  group(by: 'name' | 'owner'): MappingGroup[] {
    if (by !== 'name' && by !== 'owner') {
      throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `group() takes 'name' or 'owner', not ${String(by)}`)
    }
    const groups = new Map<string, MappingGroup>()
    const add = (key: string, part: MappingTotals) => {
      const group = groups.get(key) ?? { key, count: 0, size: 0, rss: 0, pss: 0, anon: 0, swap: 0 }
      for (const field of ['count', 'size', 'rss', 'pss', 'anon', 'swap'] as const) group[field] += part[field]
      groups.set(key, group)
    }
    for (const m of this) {
      const whole = { count: 1, size: m.size, rss: m.rss, pss: m.pss, anon: m.anon, swap: m.swap }
      if (by === 'name') {
        add(m.name === '' ? '[anon]' : m.name, whole)
      } else if (m.owner !== 'program' || m.inode === 0 || !(m.rss > m.anon)) {
        add(m.owner, whole)
      } else {
        // An anonymous page of a file mapping is this process's alone, or shared with a forked one: at most its size.
        const pss = Math.min(m.pss, m.anon)
        add('program', { count: m.anon > 0 ? 1 : 0, size: 0, rss: m.anon, pss, anon: m.anon, swap: m.swap })
        add('file', { count: 1, size: m.size, rss: m.rss - m.anon, pss: m.pss - pss, anon: 0, swap: 0 })
      }
    }
    return [...groups.values()].sort((a, b) => (b.rss || b.anon) - (a.rss || a.anon))
  }

  /** What anonymous memory appeared, grew, shrank or went since `earlier`, a table of the same process. */
  diff(earlier: Mappings): MappingsDiff {
    return diffMappings(earlier.rows(), this.rows())
  }

  /** A table like pmap's, KiB. */
  toText(): string {
    return mappingsText(this.rows(), this.totals())
  }

  toJSON(): Mapping[] {
    return this.rows()
  }
}

export interface MappingsOptions {
  /** Any process that may be traced; this one when absent. */
  pid?: number
  /**
   * Read only what is anonymous, from maps and page residency: a tenth of the price of smaps, and no long stall, so
   * fit for a busy service. `rss`, `pss` and the other smaps fields are then NaN.
   */
  anonymousOnly?: boolean
}

/**
 * Reads the mappings of a process, ordered by start address, off the JS thread. Sizes are bytes (smaps prints kB of
 * 1,024). Unless `anonymousOnly`, the kernel holds the process's mmap lock for the walk, about 15 ns a touched 4 KiB
 * page: 16 ms at 4 GiB, during which its mmap, munmap and thread starts wait.
 * @throws {TidemarkError} (rejects) `ERR_TIDEMARK_NO_PROCESS`, `ERR_TIDEMARK_PERMISSION`, `ERR_TIDEMARK_KERNEL_THREAD`,
 *   `ERR_TIDEMARK_PROC_FORMAT`, `ERR_TIDEMARK_PROC_READ`, `ERR_TIDEMARK_UNSUPPORTED` without the native addon
 * @see proc_pid_smaps(5)
 */
export async function mappings(options: MappingsOptions = {}): Promise<Mappings> {
  const pid = checkPid(options.pid)
  const [read, columns] = options.anonymousOnly
    ? ([binding.readGrowth, GROWTH_CELLS] as const)
    : ([binding.readSmaps, SMAPS_CELLS] as const)
  let raw: RawTable
  try {
    raw = await read(pid)
  } catch (failure) {
    throw procError(failure, pid)
  }
  if (raw.rows === 0) throw noMemoryError(pid)
  return Mappings.fromRaw(raw, columns)
}
