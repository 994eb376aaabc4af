import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memory, status } from 'tidemark'

const MiB = 2 ** 20
const keep: unknown[] = []
Object.assign(globalThis, { keepForMemoryTest: keep })

test('every number is there and they fit together', () => {
  const m = memory()
  assert.equal(m.rss, m.anon + m.file)
  assert.ok(m.shmem >= 0 && m.shmem <= m.file)
  assert.ok(m.swap >= 0)
  // ru_maxrss and statm are summed by different approximations, of 64 pages or so a CPU.
  assert.ok(m.peakRss > m.rss - 4 * MiB, `peak ${m.peakRss}, now ${m.rss}`)
  assert.ok(m.heap.used > 0 && m.heap.used <= m.heap.committed && m.heap.committed <= m.heap.limit)
  assert.ok(m.heap.spaces.some((space) => space.space_name === 'old_space'))
  assert.ok(m.external >= m.arrayBuffers)
  assert.ok(m.limit.bytes > 0 && ['cgroup', 'rlimit', 'system'].includes(m.limit.source))
})

test('a buffer is counted by V8 and by malloc, touched or not', (t) => {
  if (status().capabilities.allocator !== 'glibc') return t.skip('the counters are glibc’s')
  const before = memory()
  keep.push(Buffer.alloc(64 * MiB))
  const after = memory()
  // A collection that comes between frees small ones.
  assert.ok(Math.abs(after.arrayBuffers - before.arrayBuffers - 64 * MiB) < MiB)
  assert.ok(before.malloc !== null && after.malloc !== null)
  const grown = after.malloc.inUse - before.malloc.inUse
  // What Node allocates and frees meanwhile is the rest.
  assert.ok(Math.abs(grown - 64 * MiB) < 2 * MiB, `${grown} bytes`)
})
