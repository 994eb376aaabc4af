/**
 * A few quick programs of the corpus, so that each change of tidemark meets them (`npm run corpus` runs all), and two that know
 * nothing of tidemark. All at once, as they sleep most of the time.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { start, tidemark } from '../cli/tidemark.js'
import { onOtherNode } from '../main-node.js'
import { programs, runProgram } from './run-program.js'

const QUICK = ['uploads', 'cache-fills', 'addon-malloc-no-frame-pointers']

test('the corpus has programs that leak, over all owners, and programs that do not', () => {
  const count = (folder: string) => programs().filter((program) => program.folder === folder).length
  assert.ok(count('leaks') >= 17)
  assert.ok(count('not-leaks') >= 15)
})

const LEAK = `
import time
kept = []
print('ready', flush=True)
while True:
    kept.append([bytes(2000 + i % 3000) for i in range(60)])
    time.sleep(0.05)
`

/** Ends its bursts before the last reading is taken, which in one of them would find hardly anything to trim. */
const RETENTION = `
import time
burst = 4000
print('ready', flush=True)
end = time.monotonic() + 21
while time.monotonic() < end:
    batch = [bytes(2000 + i % 3000) for i in range(burst)]
    kept = batch[::200]
    del batch
    burst += 400
    time.sleep(0.5)
time.sleep(60)
`

describe('verdicts', { concurrency: true, skip: onOtherNode }, () => {
  for (const name of QUICK) {
    test(`on a program of known truth are right: ${name}`, async () => {
      const program = programs().find((one) => one.name === name)
      assert.ok(program)
      const { judgement } = await runProgram(program)
      assert.deepEqual(judgement, { kind: [], owner: [], site: [], rate: [] })
    })
  }

  const noPython = spawnSync('python3', ['--version']).status !== 0 && 'needs python3'
  test('tell a leaking python3 process from a retaining one, by pid', { skip: noPython }, async (t) => {
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
})
