/** What to look at next, by owner: no more than growth of that owner supports. */

import type { Owner } from '../owners.js'
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
    'Native blocks are not given back, or the allocator keeps what was freed (these readings do not tell the two apart): suspect native addons and handles that need an explicit close, destroy, delete or dispose; region() around calls into them shows which one keeps memory.',
  'malloc-free':
    'The allocator holds memory that the program has freed: fewer arenas (MALLOC_ARENA_MAX=2) or a fixed trim threshold (MALLOC_TRIM_THRESHOLD_=131072) may return it.',
  'thread-stacks': 'Threads accumulate: look for workers or native threads that are started and never end.',
  mmap: 'Native code maps anonymous memory directly and keeps it: `tidemark diff` of two mapping tables shows which mappings grew; suspect addons with an allocator or pool of their own.',
  program: 'Private pages of binaries and libraries grow: look for libraries that are loaded again and again.',
  file: 'Pages of mapped files stay resident: the kernel can take clean ones back under pressure, so see first whether files are mapped and never unmapped (`tidemark maps`).',
  shmem:
    'Shared memory grows and is not reclaimed while anybody holds it: look for memfd, /dev/shm files, shared mappings or segments that are not unlinked or unmapped.',
  profiler: '',
  unexplained: '',
}

/** @param site the one that grows most, where sites are known */
export function remedy(owner: Owner, kind: Cause['kind'], site?: Site): string {
  if (kind === 'warm-up') return 'It grew and then settled: nothing to do, unless the level it settled at is too high.'
  if (!site) return LEAK[owner]
  return `${siteName(site)} allocates what stays: see who keeps it, and when that would let go. ${LEAK[owner]}`
}
