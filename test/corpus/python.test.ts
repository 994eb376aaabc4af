/** Processes that know nothing of tidemark, seen by pid: of two Pythons that grow alike, one keeps and the other frees. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { start, tidemark } from '../cli/tidemark.js'
import { isMainNode } from './run-program.js'

const missing =
  (!isMainNode && 'runs on one Node only') || (spawnSync('python3', ['--version']).status !== 0 && 'needs python3')

const LEAK = `
import time
kept = []
print('ready', flush=True)
while True:
    kept.append([bytes(2000 + i % 3000) for i in range(60)])
    time.sleep(0.05)
`

const RETENTION = `
import time
burst = 4000
print('ready', flush=True)
while True:
    batch = [bytes(2000 + i % 3000) for i in range(burst)]
    kept = batch[::200]
    del batch
    burst += 400
    time.sleep(0.5)
`

test('a leaking and a retaining python3 process are told apart by pid', { skip: missing }, async (t) => {
  const watched = async (script: string) => {
    const python = start(t, 'python3', ['-c', script])
    await python.says('ready')
    const words = ['watch', String(python.child.pid), '--interval', '500ms', '--seconds', '22']
    return (await tidemark(t, words)).stderr
  }
  const [leak, retention] = await Promise.all([watched(LEAK), watched(RETENTION)])
  assert.match(leak, /LEAK .*malloc grows/)
  assert.match(retention, /RETENTION .*allocator keeps/)
  assert.match(retention, /trim would give back \d+ MiB/)
})
