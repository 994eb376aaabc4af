/** The typed seam to bench/native: what a reading cannot cost less than. Durations are nanoseconds, −1 for a failed call. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

export interface Floors {
  noop(): void
  /** One pread of a kept statm, the mean of `calls`. */
  preadStatm(calls: number): number
  getrusageSelf(calls: number): number
  getrusageThread(calls: number): number
  /** smaps opened, read to its end and closed; nothing is parsed. */
  rawSmaps(pid: number): number
  /** What tidemark does natively for `mappings()` and for its `anonymousOnly`. Process 0 is this one, here and above. */
  parsedSmaps(pid: number): number
  parsedGrowth(pid: number): number
  /** CPU time of the kernel's part of a light ledger of this process, maps and mincore; the argument is not used. */
  rawLayout(_: number): number
  /** Bytes by which RSS differs after a whole ledger, either way. */
  rssMovedByLedger(pid: number): number
  rawSmapsOnPool(pid: number): Promise<void>
  /** Maps touched 4 KiB pages: `bytes` in one mapping, and one-page `mappings` beside it. False when memory ran out. */
  fill(bytes: number, mappings: number): boolean
}

/** Heaps of a known shape: see bench/native/heaps.cc. Durations as above. */
export interface Heaps {
  /** Blocks of `mean` bytes in the main arena, every `freed`th of which is freed. False when memory ran out. */
  fill(blocks: number, mean: number, freed: number): boolean
  /** CPU time of mallinfo2, of a memcpy of the brk heap, and of a process_vm_readv. */
  mallinfo(): number
  mallinfoOnPool(): Promise<void>
  copy(): number
  copyByKernel(): number
  /** Of a thread that only allocates and frees. */
  longestMalloc(ms: number): number
}

const ROOT = join(__dirname, '../..')
const FOLDER = 'bench/native'

/** Brings the addons of bench/native up to date: configured each time, because the list of native sources may have changed. */
export function buildAddons(): void {
  const args = ['scripts/node-gyp.mjs', 'configure', 'build', '-C', FOLDER, '--silent']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the addons of the benchmarks cannot be built:\n${stdout}${stderr}`)
}

export function loadFloors(): Floors {
  return require(join(ROOT, FOLDER, 'build/Release/floors.node')) as Floors
}

export function loadHeaps(): Heaps {
  return require(join(ROOT, FOLDER, 'build/Release/heaps.node')) as Heaps
}
