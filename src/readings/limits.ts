/** Which memory limit the process will meet first: its cgroup's, its own rlimit, or the machine's memory. */

import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import type { MemoryLimit } from './reading.js'

/** Reads a file whole; null when it is not there or not ours to read. A parameter so that tests can supply a machine. */
export type ReadText = (path: string) => string | null

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

interface Mount {
  root: string
  at: string
}

/** Where a cgroup file system is mounted, and which part of it, from mountinfo (proc_pid_mountinfo(5)). */
function mountOf(mountinfo: string, v1: boolean): Mount | null {
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , root, at] = left.split(' ')
    const [type, , options = ''] = right.split(' ')
    const matches = v1 ? type === 'cgroup' && options.split(',').includes('memory') : type === 'cgroup2'
    if (matches && root !== undefined && at !== undefined) return { root, at }
  }
  return null
}

/** The cgroup's folder and its ancestors up to the mount: a limit on any of them holds. */
function foldersOf(mount: Mount, path: string): string[] {
  const root = mount.root === '/' ? '' : mount.root
  const inside = path.startsWith(`${root}/`) ? path.slice(root.length) : '/'
  const folders = []
  for (let at = inside; ; at = dirname(at)) {
    folders.push(join(mount.at, at))
    if (at === '/') return folders
  }
}

function numberIn(text: string | null): number | null {
  const value = Number.parseInt(text ?? '', 10)
  return Number.isFinite(value) ? value : null
}

function statOf(text: string | null, key: string): number {
  const match = new RegExp(`^${key} (\\d+)$`, 'm').exec(text ?? '')
  return match ? Number(match[1]) : 0
}

interface CgroupFiles {
  max: string
  current: string
  inactiveFile: string
}
const V2: CgroupFiles = { max: 'memory.max', current: 'memory.current', inactiveFile: 'inactive_file' }
const V1: CgroupFiles = {
  max: 'memory.limit_in_bytes',
  current: 'memory.usage_in_bytes',
  inactiveFile: 'total_inactive_file',
}

/**
 * The cgroup limit with the least room left, v2 or v1; null when there is none. `used` leaves out inactive page cache, which the kernel
 * drops before it kills (what Kubernetes calls the working set).
 * @see Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst
 */
function cgroupLimit(pid: number | 'self', read: ReadText): MemoryLimit | null {
  const membership = read(`/proc/${pid}/cgroup`) ?? ''
  const mountinfo = read('/proc/self/mountinfo') ?? ''
  let tightest: MemoryLimit | null = null
  const room = (limit: MemoryLimit) => limit.bytes - limit.used
  for (const [v1, files] of [[false, V2] as const, [true, V1] as const]) {
    const mount = mountOf(mountinfo, v1)
    const line = membership.split('\n').find((entry) => {
      const [id, controllers = ''] = entry.split(':')
      return v1 ? controllers.split(',').includes('memory') : id === '0' && controllers === ''
    })
    if (mount === null || line === undefined) continue
    const path = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1)
    for (const folder of foldersOf(mount, path)) {
      const bytes = numberIn(read(join(folder, files.max)))
      // Without a limit v2 says "max"; v1 says a number near 2^63, which always has the most room.
      if (bytes === null) continue
      const current = numberIn(read(join(folder, files.current))) ?? 0
      const cache = statOf(read(join(folder, 'memory.stat')), files.inactiveFile)
      const limit: MemoryLimit = { bytes, source: 'cgroup', used: Math.max(0, current - cache) }
      // The larger of two nested limits may be met first: what other groups use is charged to it too.
      if (tightest === null || room(limit) < room(tightest)) tightest = limit
    }
  }
  return tightest
}

/** RLIMIT_DATA counts private writable memory; RLIMIT_AS counts reserves too, which V8 makes by the gigabyte, so it says nothing. */
function rlimit(pid: number | 'self', read: ReadText): MemoryLimit | null {
  const match = /^Max data size\s+(\d+)/m.exec(read(`/proc/${pid}/limits`) ?? '')
  if (match === null) return null
  const data = /^VmData:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')
  return { bytes: Number(match[1]), source: 'rlimit', used: data ? Number(data[1]) * 1024 : 0 }
}

function machine(read: ReadText): MemoryLimit {
  const info = read('/proc/meminfo') ?? ''
  const kilobytes = (key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(info)?.[1] ?? Number.NaN) * 1024
  const total = kilobytes('MemTotal') || totalmem()
  return { bytes: total, source: 'system', used: total - (kilobytes('MemAvailable') || total) }
}

/**
 * The limit with the least room left, for this process or another. Bytes.
 * @param read how files are read; for tests
 */
export function memoryLimit(pid?: number, read: ReadText = readText): MemoryLimit {
  const who = pid ?? 'self'
  const limits = [cgroupLimit(who, read), rlimit(who, read), machine(read)]
  return limits.filter((l) => l !== null).reduce((a, b) => (b.bytes - b.used < a.bytes - a.used ? b : a))
}
