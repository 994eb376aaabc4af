/** What to do about a cause: no more than its owner, its sites and the numbers around it support. Pure. */

import type { Owner } from '../owners.js'
import type { AllocatorReading, MemoryLimit } from '../readings/reading.js'
import { formatBytes } from '../units.js'
import { allocatorRemedy } from './allocator-remedy.js'
import { heapLimitAdvice } from './heap-limit.js'
import type { OwnerTrend } from './owner-trend.js'
import { hintOf } from './site-hints.js'
import { siteName } from './sites.js'
import type { Cause, Site } from './verdict.js'

const LEAK: Record<Owner, string> = {
  'js-heap':
    'Objects are still reachable after major collections: compare two heap snapshots taken some minutes apart, or wrap operations in region() to see which one keeps memory; caches without a limit, listeners and timers are the usual holders.',
  'js-code':
    'V8 keeps more and more machine code: look for functions made at run time (eval, new Function, vm scripts).',
  'array-buffers':
    'Buffers or ArrayBuffers are kept: find who holds them (queues, caches, streams that nobody reads, slices that keep a large parent alive); a heap snapshot shows their holders.',
  wasm: 'WebAssembly memory grows and can never shrink: look for allocations inside the module that are not freed, or for instances that are kept.',
  malloc:
    'Native blocks are not given back: suspect native addons and handles that need an explicit close, destroy, delete or dispose; region() around calls into them shows which one keeps memory.',
  'malloc-free': '',
  'thread-stacks': 'Threads accumulate: look for workers or native threads that are started and never end.',
  mmap: 'Native code maps anonymous memory directly and keeps it: `tidemark diff` of two mapping tables shows which mappings grew; suspect addons with an allocator or pool of their own.',
  program: 'Private pages of binaries and libraries grow: look for libraries that are loaded again and again.',
  file: '',
  shmem:
    'Shared memory grows and is not reclaimed while anybody holds it: look for memfd, /dev/shm files, shared mappings or segments that are not unlinked or unmapped.',
  profiler: '',
  unexplained: '',
}

/** Of a process without V8, which is seen from outside only. */
const LEAK_WITHOUT_V8: Partial<Record<Owner, string>> = {
  malloc:
    'Blocks are allocated and not freed. Who allocates them is not seen from outside: run the program under a memory profiler of its language, such as memray for Python and heaptrack for C, C++ and Rust.',
  'thread-stacks': 'Threads accumulate: look for threads that are started and never end.',
  mmap: 'Anonymous memory is mapped and kept, by an allocator or a pool of the program’s own (Python has one for objects up to 512 B): `tidemark diff` of two mapping tables shows which mappings grew.',
}

const WARM_UP = 'It grew and then settled: nothing to do, unless the level it settled at is too high.'

/** Owners of which every worker has its own. */
const PER_WORKER: readonly Owner[] = ['js-heap', 'js-code', 'malloc', 'thread-stacks']

/** What is known around a cause. */
export interface Circumstances {
  allocator: AllocatorReading | undefined
  limit: MemoryLimit | undefined
  /** As much as V8 lets the heap of the readings' isolate grow, bytes. */
  heapLimit: number | undefined
  /** Resident bytes of the JS heap; 0 in a process without V8. */
  heapBytes: number
  /** Of thread stacks, where threads pile up. */
  threads: OwnerTrend | undefined
  /** Regions that were declared caches and grow as well, by owner. */
  caches: (owner: Owner) => string[]
}

export function remedy(cause: Omit<Cause, 'remedy'>, around: Circumstances): string {
  const { owner, kind, sites, heldBytes } = cause
  if (kind === 'retention') return allocatorRemedy(heldBytes ?? 0, around.allocator)
  const heap = owner === 'js-heap' ? heapLimitAdvice(around.limit, around.heapLimit, around.heapBytes) : ''
  if (kind === 'warm-up') return sentences(WARM_UP, heap)
  const hint = hintOf(sites) || threadsWords(owner, around)
  return sentences(siteWords(sites), hint || general(owner, around), cacheWords(around.caches(owner)), heap)
}

function sentences(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(' ')
}

function siteWords([site]: Site[]): string {
  return site ? `${siteName(site)} allocates what stays: see who keeps it, and when that would let go.` : ''
}

function general(owner: Owner, { allocator, heapBytes }: Circumstances): string {
  const words = (heapBytes === 0 && LEAK_WITHOUT_V8[owner]) || LEAK[owner]
  const unseen =
    owner === 'malloc' && !allocator
      ? ' What the allocator keeps after free may be part of it: these readings do not tell.'
      : ''
  return `${words}${unseen}`
}

function threadsWords(owner: Owner, { threads, heapBytes }: Circumstances): string {
  if (!threads || !PER_WORKER.includes(owner)) return ''
  const grown = `${formatBytes(threads.from)} to ${formatBytes(threads.to)}`
  const todo =
    heapBytes === 0
      ? 'reuse them, or end those that are done'
      : 'reuse workers, and terminate() those that are done; each has a heap of its own'
  return `Threads are started that do not end, as their stacks grew from ${grown}: ${todo}.`
}

function cacheWords(regions: string[]): string {
  if (regions.length === 0) return ''
  const names = regions.map((region) => `'${region}'`).join(', ')
  return `Region ${names}, declared a cache, grows as well: bound it.`
}
