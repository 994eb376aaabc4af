import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { processStatus, status } from 'tidemark'
import { startNode } from './readings/processes.js'

test('with the addon everything is available, each from where it says', () => {
  const { addon, capabilities, readings, node, tidemark, limit } = status()
  assert.deepEqual(addon, { loaded: true, problem: null })
  assert.equal(node, process.version)
  assert.match(tidemark, /^\d+\.\d+\.\d+/)
  assert.match(capabilities.libc, /^(glibc 2\.\d+|musl)$/)
  assert.equal(capabilities.pageSize & (capabilities.pageSize - 1), 0)
  assert.equal(readings.usage, '/proc/self/statm')
  assert.equal(readings.mappings, '/proc/PID/smaps')
  assert.ok(limit.bytes > 0)
})

test('capabilities are those of the kernel that runs', () => {
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'latin1').split('.').map(Number)
  const kernel = major * 100 + minor
  const { pagemapScan, wipeOnFork } = status().capabilities
  if (kernel < 607) assert.equal(pagemapScan, false)
  if (kernel >= 414) assert.equal(wipeOnFork, true)
})

test('another process can be read, and its limit is told', async (t) => {
  const { pid } = await startNode(t, 'ready()')
  const result = await processStatus(pid)
  assert.deepEqual({ ...result, limit: null }, { pid, readable: true, problem: null, limit: null })
  assert.ok(result.limit!.bytes > 0)
})
