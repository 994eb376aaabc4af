/** `for await` over a watch. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Reading, type TidemarkError, watch } from 'tidemark'
import { startNode } from '../readings/processes.js'

// A watch does not keep the process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const LIMIT = { timeout: 30_000 }

test('a snapshot that fails does not end a loop over readings of this process', LIMIT, async () => {
  const snapshot = () => Promise.reject(new Error('no'))
  using watching = watch({ intervalMs: 20, profile: { snapshot, jsHeapMs: 0 } })
  const errors: TidemarkError[] = []
  watching.on('error', (error) => errors.push(error))
  let readingsSince = 0
  for await (const { rss } of watching) {
    assert.ok(rss > 0)
    if (errors.length > 0) readingsSince++
    if (readingsSince === 3) break
  }
  assert.match(errors[0]!.message, /a snapshot of the profile failed/)
})

test('a loop that is slower than the interval gets the latest readings, in order', LIMIT, async () => {
  using watching = watch({ intervalMs: 10 })
  const taken: Reading[] = []
  watching.on('reading', (reading) => taken.push(reading))
  const seen: number[] = []
  let missed = 0
  for await (const reading of watching) {
    seen.push(taken.indexOf(reading))
    if (seen.length === 1) while (taken.length < 50) await pause(10)
    if (seen.length === 2) missed = taken.length - 16
    if (seen.length === 20) break
  }
  assert.deepEqual(
    seen,
    [0, ...Array.from({ length: 19 }, (_, i) => missed + i)],
    'the first, then the latest 16 and those after them',
  )
})

test('stop() ends a loop at once, one that waits and one that has readings left', LIMIT, async () => {
  using watching = watch({ intervalMs: 10 })
  const left = (async () => {
    let seen = 0
    for await (const _ of watching) {
      seen++
      await pause(100)
      watching.stop()
    }
    return seen
  })()
  const waiting = (async () => {
    for await (const _ of watching);
    return 'ended'
  })()
  assert.deepEqual(await Promise.all([left, waiting]), [1, 'ended'])
  for await (const _ of watching) assert.fail('it has ended')
})

test('a loop that is left stops nothing else', LIMIT, async () => {
  using watching = watch({ intervalMs: 10 })
  let heard = 0
  watching.on('reading', () => heard++)
  for await (const _ of watching) break
  const before = heard
  let seen = 0
  for await (const _ of watching) if (++seen === 3) break
  assert.ok(heard >= before + 3)
  assert.equal(watching.verdict().kind, 'unknown')
})

test('the end of another process is thrown, once its readings have been seen', LIMIT, async (t) => {
  const subject = await startNode(t, 'ready()')
  using watching = watch({ intervalMs: 300, pid: subject.pid })
  let taken = 0
  watching.on('reading', () => taken++)
  const failed = new Promise<TidemarkError>((resolve) => watching.on('error', resolve))
  let seen = 0
  await assert.rejects(
    async () => {
      for await (const _ of watching) {
        if (++seen > 1) continue
        await new Promise((resolve) => watching.on('reading', resolve))
        // Right after a reading, so that the next one finds no zombie.
        subject.child.kill('SIGKILL')
        await once(subject.child, 'exit')
        await failed
      }
    },
    { code: 'ERR_TIDEMARK_NO_PROCESS' },
  )
  assert.ok(taken >= 2)
  assert.equal(seen, taken)
  await assert.rejects(
    async () => {
      for await (const _ of watching) assert.fail('it has ended')
    },
    { code: 'ERR_TIDEMARK_NO_PROCESS' },
  )
})
