/** Readings of a process of its own, again and again, as deep as the budget allows. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OWNERS, type Reading } from 'tidemark'
import { PeriodicReadings } from '#dist/readings/periodic'
import { DIST, runNode, startNode } from './processes.js'

const sum = ({ owners }: Reading) => Object.values(owners).reduce((total, bytes) => total + bytes, 0)

test('the first reading walks malloc’s memory, of this process and of another', async (t) => {
  const subject = await startNode(t, 'ready()')
  for (const pid of [undefined, subject.pid]) {
    const reading = await new PeriodicReadings(pid).next()
    assert.equal(reading.carried, undefined)
    assert.equal(reading.allocator?.name, 'glibc')
  }
})

test('a process whose readings are dear is read within its budget, and each reading says what it did not look at', async () => {
  // 600,000 small blocks of V8's own make a walk cost tens of ms; a reading every 20 ms would be a whole CPU.
  const readings = (await runNode(`
    const { PeriodicReadings } = require(${JSON.stringify(`${DIST}/readings/periodic`)})
    async function main() {
      const kept = []
      for (let i = 0; i < 600_000; i++) kept.push(Buffer.allocUnsafeSlow(64))
      const readings = new PeriodicReadings(undefined)
      const taken = []
      for (let i = 0; i < 60; i++) {
        kept.push(Buffer.alloc(2 ** 20, 1)) // it moves all the time
        taken.push(await readings.next())
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      console.log(JSON.stringify(taken))
      process.exit(0)
    }
    main()`)) as Reading[]
  const whole = readings.filter(({ carried }) => carried === undefined)
  const totals = readings.filter(({ carried }) => carried?.length === OWNERS.length)
  assert.ok(whole.length >= 1 && whole.length < readings.length / 2, `${whole.length} of ${readings.length} walked`)
  assert.ok(totals.length > 0, 'none was left out')
  for (const reading of readings) assert.equal(sum(reading), reading.rss)
})

test('however seldom owners are read, the limit beside them is no older than 5 s', async () => {
  // A minute of readings, each 100 ms after the one before by a clock that the test turns, on a machine that says what time it is.
  const taken = (await runNode(`
    const fs = require('node:fs')
    const { PeriodicReadings } = require(${JSON.stringify(`${DIST}/readings/periodic`)})
    let ms = 0
    performance.now = () => ms
    fs.readFileSync = (path) => {
      if (path !== '/proc/meminfo') throw new Error('not there')
      return 'MemTotal: 100000 kB\\nMemAvailable: ' + (100_000 - ms) + ' kB\\n'
    }
    async function main() {
      const kept = []
      for (let i = 0; i < 600_000; i++) kept.push(Buffer.allocUnsafeSlow(64))
      const readings = new PeriodicReadings(undefined)
      const taken = []
      for (; ms < 60_000; ms += 100) {
        kept.push(Buffer.alloc(2 ** 19, 1)) // it moves all the time
        const { carried = [], limit } = await readings.next()
        taken.push({ ms, carried: carried.length, limitAt: limit.used / 1024 })
      }
      console.log(JSON.stringify(taken))
      process.exit(0)
    }
    main()`)) as { ms: number; carried: number; limitAt: number }[]
  const looked = taken.filter(({ carried }) => carried < OWNERS.length)
  assert.ok(looked.length < taken.length / 2, `${looked.length} of ${taken.length} looked at owners`)
  for (const { ms, limitAt } of looked) assert.ok(ms - limitAt <= 5000, `at ${ms} ms the limit was of ${limitAt} ms`)
  assert.ok(new Set(taken.map(({ limitAt }) => limitAt)).size <= 60_000 / 5000, 'the limit was looked for too often')
})
