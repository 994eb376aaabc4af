/** Reads smaps the slow way, line by line and key by key: what `mappings()` must agree with. */

import { readFileSync } from 'node:fs'
import type { Mapping } from 'tidemark'

const KEYS: Record<string, keyof Mapping> = {
  KernelPageSize: 'kernelPageSize',
  MMUPageSize: 'mmuPageSize',
  Rss: 'rss',
  Pss: 'pss',
  Pss_Dirty: 'pssDirty',
  Shared_Clean: 'sharedClean',
  Shared_Dirty: 'sharedDirty',
  Private_Clean: 'privateClean',
  Private_Dirty: 'privateDirty',
  Referenced: 'referenced',
  Anonymous: 'anon',
  KSM: 'ksm',
  LazyFree: 'lazyFree',
  AnonHugePages: 'anonHuge',
  ShmemPmdMapped: 'shmemHuge',
  FilePmdMapped: 'fileHuge',
  Shared_Hugetlb: 'sharedHugetlb',
  Private_Hugetlb: 'privateHugetlb',
  Swap: 'swap',
  SwapPss: 'swapPss',
  Locked: 'locked',
  THPeligible: 'thpEligible',
  ProtectionKey: 'protectionKey',
}

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/
const FIELD = /^(\w+): +(\d+)( kB)?$/

/** Every field but `owner`, which smaps does not have. */
export type SmapsRecord = Omit<Mapping, 'owner'>

/** `text` is /proc/PID/smaps. A field that it lacks is 0. */
export function parseSmaps(text: string): SmapsRecord[] {
  const records: Record<string, unknown>[] = []
  for (const line of text.split('\n')) {
    const header = HEADER.exec(line)
    if (header !== null) {
      const [, first = '', last = '', perms, offset = '', device, inode, name] = header
      const start = Number(BigInt(`0x${first}`))
      const end = Number(BigInt(`0x${last}`))
      const record: Record<string, unknown> = { start, end, size: end - start, perms, device, name, flags: '' }
      record.offset = Number(BigInt(`0x${offset}`))
      record.inode = Number(inode)
      for (const field of Object.values(KEYS)) record[field] = 0
      records.push(record)
      continue
    }
    const record = records.at(-1)
    if (record === undefined) continue
    if (line.startsWith('VmFlags:')) record.flags = line.slice('VmFlags:'.length).trim()
    const [, key = '', number, unit] = FIELD.exec(line) ?? []
    const field = KEYS[key]
    if (field !== undefined) record[field] = Number(number) * (unit === undefined ? 1 : 1024)
  }
  return records as unknown as SmapsRecord[]
}

/** The text of smaps; null where the process is gone, not ours to read, or without memory. */
export function readSmapsText(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/smaps`, 'latin1') || null
  } catch {
    return null
  }
}
