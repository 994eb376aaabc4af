/** Which limit is met first, on machines made by hand. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLimit } from '#dist/readings/limits'

const MiB = 2 ** 20
const GiB = 2 ** 30

const MEMINFO = `MemTotal:       16777216 kB\nMemFree:         1000000 kB\nMemAvailable:   12582912 kB\n`
const UNLIMITED = 'Max data size             unlimited            unlimited            bytes     \n'
const V2_MOUNT = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n'
const V1_MOUNT = '31 23 0:27 / /sys/fs/cgroup/memory rw,nosuid shared:5 - cgroup cgroup rw,memory\n'
const V1_ENDLESS = '9223372036854771712\n'

function machine(files: Record<string, string>) {
  const all: Record<string, string> = { '/proc/meminfo': MEMINFO, '/proc/self/limits': UNLIMITED, ...files }
  return memoryLimit(undefined, (path) => all[path] ?? null)
}

function v2(path: string, files: Record<string, string>) {
  const tree = Object.fromEntries(Object.entries(files).map(([name, text]) => [`/sys/fs/cgroup${name}`, text]))
  return machine({ '/proc/self/cgroup': `0::${path}\n`, '/proc/self/mountinfo': V2_MOUNT, ...tree })
}

test('without any limit the machine is the limit', () => {
  assert.deepEqual(machine({}), { bytes: 16 * GiB, source: 'system', used: 4 * GiB })
})

test('a cgroup v2 limit, used without the cache that the kernel would drop first', () => {
  const limit = v2('/app', {
    '/app/memory.max': `${512 * MiB}\n`,
    '/app/memory.current': `${300 * MiB}\n`,
    '/app/memory.stat': `anon 1\nfile 2\ninactive_file ${100 * MiB}\nactive_file 7\n`,
  })
  assert.deepEqual(limit, { bytes: 512 * MiB, source: 'cgroup', used: 200 * MiB })
})

test('inside a cgroup namespace the group is the root of the mount', () => {
  const limit = v2('/', { '/memory.max': `${GiB}\n`, '/memory.current': `${GiB / 2}\n` })
  assert.deepEqual(limit, { bytes: GiB, source: 'cgroup', used: GiB / 2 })
})

test('a limit on an ancestor holds', () => {
  const limit = v2('/kubepods/pod1/app', {
    '/kubepods/pod1/app/memory.max': 'max\n',
    '/kubepods/pod1/memory.max': `${GiB}\n`,
    '/kubepods/pod1/memory.current': `${GiB / 4}\n`,
    '/kubepods/memory.max': `${8 * GiB}\n`,
    '/kubepods/memory.current': `${2 * GiB}\n`,
  })
  assert.deepEqual(limit, { bytes: GiB, source: 'cgroup', used: GiB / 4 })
})

test('of nested limits the one with the least room is met first, though it be the larger', () => {
  const limit = v2('/pod/app', {
    '/pod/app/memory.max': `${GiB}\n`,
    '/pod/app/memory.current': `${100 * MiB}\n`,
    '/pod/memory.max': `${2 * GiB}\n`,
    '/pod/memory.current': `${2 * GiB - 10 * MiB}\n`,
  })
  assert.deepEqual(limit, { bytes: 2 * GiB, source: 'cgroup', used: 2 * GiB - 10 * MiB })
})

test('a cgroup without a limit, or that cannot be read, is none', () => {
  assert.equal(v2('/app', { '/app/memory.max': 'max\n', '/app/memory.current': '1\n' }).source, 'system')
  assert.equal(v2('/app', {}).source, 'system')
  assert.equal(machine({ '/proc/self/cgroup': '0::/app\n' }).source, 'system')
  assert.equal(machine({ '/proc/self/mountinfo': V2_MOUNT }).source, 'system')
})

test('a cgroup v1 limit, and its way of saying that there is none', () => {
  const v1 = (bytes: string) =>
    machine({
      '/proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n',
      '/proc/self/mountinfo': V1_MOUNT,
      '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': bytes,
      '/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes': `${700 * MiB}\n`,
      '/sys/fs/cgroup/memory/docker/abc/memory.stat': `inactive_file 1\ntotal_inactive_file ${100 * MiB}\n`,
    })
  assert.deepEqual(v1(`${GiB}\n`), { bytes: GiB, source: 'cgroup', used: 600 * MiB })
  assert.equal(v1(V1_ENDLESS).source, 'system')
})

test('a container of cgroup v1 sees its own group at the mount, under the path of the host', () => {
  const limit = machine({
    '/proc/self/cgroup': '4:memory:/docker/abc\n',
    '/proc/self/mountinfo': '31 23 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GiB}\n`,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${GiB / 2}\n`,
  })
  assert.deepEqual(limit, { bytes: GiB, source: 'cgroup', used: GiB / 2 })
})

// The path was cut behind the mount's root, and its parents were looked for without end.
test('a group whose name only begins like the mount’s root is not below it', { timeout: 10_000 }, () => {
  const limit = machine({
    '/proc/self/cgroup': '0::/docker/abcdef\n',
    '/proc/self/mountinfo': '30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
    '/sys/fs/cgroup/memory.max': `${GiB}\n`,
    '/sys/fs/cgroup/memory.current': `${GiB / 2}\n`,
  })
  assert.equal(limit.bytes, GiB)
})

test('a limit on the data segment counts against private memory', () => {
  const limit = machine({
    '/proc/self/limits':
      'Limit  Soft Limit  Hard Limit  Units\nMax data size             2147483648           unlimited            bytes     \n',
    '/proc/self/status': 'VmSize:\t 9000000 kB\nVmData:\t 1048576 kB\n',
  })
  assert.deepEqual(limit, { bytes: 2 * GiB, source: 'rlimit', used: GiB })
})

test('another process is asked about under its pid', () => {
  const asked: string[] = []
  memoryLimit(4242, (path) => {
    asked.push(path)
    return null
  })
  assert.ok(asked.includes('/proc/4242/cgroup') && asked.includes('/proc/4242/limits'))
  assert.ok(!asked.includes('/proc/self/cgroup') && !asked.includes('/proc/self/limits'))
})

test('without /proc there is still an answer', () => {
  const limit = memoryLimit(undefined, () => null)
  assert.equal(limit.source, 'system')
  assert.ok(limit.bytes > 0 && limit.used >= 0)
})
