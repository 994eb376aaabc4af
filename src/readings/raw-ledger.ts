/** Reads a native ledger and names its numbers. */

import { binding } from '../binding.js'
import { OWNERS, type OwnerBytes } from '../owners.js'
import { ARENA_CELLS, LEDGER, type RawLedger } from '../seam.js'
import { noMemoryError, procError } from './proc-error.js'
import { ALLOCATORS, type AllocatorName } from './reading.js'

/** One malloc arena of glibc. Resident bytes. */
export interface Arena {
  kind: 'main' | 'thread'
  chunks: number
  live: number
  free: number
  /** Of `free`: what malloc_trim(0) would give back. */
  trimmable: number
  /** Of `free`: the chunk from which the arena grows. malloc_trim gives back that of the main arena only. */
  top: number
}

/** What the walk over malloc's memory found. Bytes. */
export interface Walk {
  arenas: Arena[]
  /** Blocks that malloc mapped one by one, as it does from 128 KiB (by default) on. */
  blocks: { count: number; bytes: number; resident: number }
  /** Of all live blocks: resident, and whether or not they were ever touched. */
  live: { resident: number; bytes: number }
  free: number
  trimmable: number
  /** Where no chunk could be made out: left unexplained. */
  lost: number
}

export interface LedgerNumbers {
  rss: number
  anon: number
  file: number
  shmem: number
  swap: number
  mappings: number
  /** What RSS grew by while it was read. */
  moved: number
  cpuMs: number
  /** They sum to `rss`. `malloc` holds ArrayBuffers too. */
  owners: OwnerBytes
  /** Whose malloc it is; of another process as its libraries tell. */
  allocator: 'unknown' | AllocatorName
  /** Null where malloc is not glibc's, or its memory may not be read. */
  walk: Walk | null
  /** What another allocator says of itself, of this process: bytes, untouched ones too. Null where it says nothing. */
  counters: { live: number; releasable: number } | null
}

const NAMES = ['unknown', ...ALLOCATORS] as const

/** @param pid 0 for this process */
export async function readLedgerNumbers(pid: number, depth: 'light' | 'whole'): Promise<LedgerNumbers> {
  let raw: RawLedger
  try {
    raw = await (depth === 'whole' ? binding.readLedger(pid) : binding.readLightLedger(pid))
  } catch (failure) {
    throw procError(failure, pid)
  }
  const cell = (which: Exclude<keyof typeof LEDGER, 'owners'>) => raw.cells[LEDGER[which]]!
  if (cell('mappings') === 0) throw noMemoryError(pid)
  const owners: OwnerBytes = {}
  OWNERS.forEach((owner, i) => {
    owners[owner] = raw.cells[LEDGER.owners + i]!
  })
  return {
    rss: cell('rss'),
    anon: cell('anon'),
    file: cell('file') - cell('shmem'),
    shmem: cell('shmem'),
    swap: cell('swap'),
    mappings: cell('mappings'),
    moved: cell('moved'),
    cpuMs: cell('cpuMs'),
    owners,
    allocator: NAMES[cell('allocator')] ?? 'unknown',
    walk: cell('walked') === 1 ? toWalk(raw) : null,
    counters: Number.isNaN(cell('allocatorLive'))
      ? null
      : { live: cell('allocatorLive') + cell('allocatorMetadata'), releasable: cell('allocatorReleasable') },
  }
}

function toWalk({ cells, arenas: rows }: RawLedger): Walk {
  const arenas = new Map<number, Arena>()
  let lost = 0
  let liveBytes = 0
  for (let at = 0; at < rows.length; at += ARENA_CELLS.length) {
    const cell = (which: Exclude<keyof typeof ARENA_CELLS, 'length'>) => rows[at + ARENA_CELLS[which]]!
    const address = cell('address')
    const kind = address === 0 ? 'main' : 'thread'
    const arena = arenas.get(address) ?? { kind, chunks: 0, live: 0, free: 0, trimmable: 0, top: 0 }
    arenas.set(address, arena)
    arena.chunks += cell('chunks')
    arena.live += cell('live')
    arena.free += cell('free')
    arena.top += cell('top')
    arena.trimmable += cell('trimmable') + (kind === 'main' ? cell('trimmableTop') : 0)
    lost += cell('lost')
    liveBytes += cell('liveBytes')
  }
  const all = [...arenas.values()]
  const sum = (of: (arena: Arena) => number) => all.reduce((total, arena) => total + of(arena), 0)
  const blocks = {
    count: cells[LEDGER.blocks]!,
    bytes: cells[LEDGER.blockBytes]!,
    resident: cells[LEDGER.blockResident]!,
  }
  return {
    arenas: all,
    blocks,
    live: { resident: sum(({ live }) => live) + blocks.resident, bytes: liveBytes + blocks.bytes },
    free: sum(({ free }) => free),
    trimmable: sum(({ trimmable }) => trimmable),
    lost,
  }
}
