/** The fixed answers to "what kind of memory is this?"; over one process they sum to RSS. */

export const OWNERS = [
  /** V8's managed heaps, all isolates. */
  'js-heap',
  /** Machine code that V8 generated. */
  'js-code',
  /** Backing stores of ArrayBuffers, Buffers and SharedArrayBuffers. */
  'array-buffers',
  /** WebAssembly linear memories. */
  'wasm',
  /** Native blocks from the allocator. */
  'malloc',
  /** Resident memory that the allocator holds and the program has freed. */
  'malloc-free',
  'thread-stacks',
  /** Anonymous mappings that native code made directly. */
  'mmap',
  /** Private pages of binaries and libraries: data, relocations, .bss. */
  'program',
  /** File-backed pages: code, mapped files. */
  'file',
  /** Shared anonymous memory, memfd, /dev/shm, System V segments. */
  'shmem',
  /** tidemark's own memory. */
  'profiler',
  /** Signed remainder: RSS minus all of the above. */
  'unexplained',
] as const

export type Owner = (typeof OWNERS)[number]

/** Bytes by owner; an owner that is absent was not told apart from the others by this reading. */
export type OwnerBytes = Partial<Record<Owner, number>>
