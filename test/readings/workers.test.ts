/** Readings in many threads at once. In processes of their own: a crash must be a failed test and not the end of all. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DIST, runNode } from './processes.js'

const LIBRARY = JSON.stringify(DIST)

test('each thread has its own array of readings', async () => {
  const result = await runNode(`
    const { Worker } = require('node:worker_threads')
    const { binding, out, regionWord } = require(${JSON.stringify(`${DIST}/binding`)})
    const { OUT } = require(${JSON.stringify(`${DIST}/seam`)})
    out.fill(-1)
    regionWord[0] = 7
    const worker = new Worker(\`
      const { parentPort } = require('node:worker_threads')
      const { binding, out, regionWord } = require(${JSON.stringify(`${DIST}/binding`)})
    const { OUT } = require(${JSON.stringify(`${DIST}/seam`)})
      regionWord[0] = 9
      for (let i = 0; i < 1000; i++) { binding.readUsage(); binding.readRusageThread() }
      parentPort.postMessage({ rss: out[OUT.rss], region: binding.currentRegion() })\`, { eval: true })
    worker.once('message', (inWorker) => {
      const untouched = out.every((value) => value === -1)
      console.log(JSON.stringify({ untouched, inWorker, region: binding.currentRegion() }))
    })`)
  const { untouched, inWorker, region } = result as {
    untouched: boolean
    inWorker: { rss: number; region: number }
    region: number
  }
  assert.equal(untouched, true)
  assert.ok(inWorker.rss > 2 ** 20)
  assert.equal(inWorker.region, 9)
  assert.equal(region, 7)
})

test('eight workers read at once and agree', async () => {
  const result = await runNode(`
    const { Worker } = require('node:worker_threads')
    const script = \`
      const { parentPort } = require('node:worker_threads')
      const { usage, rusage, mappings } = require(${LIBRARY})
      const { takeReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
      async function main() {
        let rss = 0
        for (let i = 0; i < 10; i++) {
          for (let k = 0; k < 1000; k++) rss = usage().rss
          rusage('thread')
          const [table, growth, reading] = await Promise.all([mappings(), mappings({ anonymousOnly: true }), takeReading()])
          const sum = Object.values(reading.owners).reduce((a, b) => a + b, 0)
          if (sum !== reading.rss) throw new Error('owners sum to ' + sum)
          if (table.length < 50 || growth.length < 50) throw new Error('a short table')
        }
        parentPort.postMessage(rss)
      }
      main()\`
    const all = Array.from({ length: 8 }, () => new Promise((resolve, reject) => {
      const worker = new Worker(script, { eval: true })
      worker.once('message', resolve).once('error', reject)
    }))
    Promise.all(all).then((rss) => console.log(JSON.stringify(rss)))`)
  for (const rss of result as number[]) assert.ok(rss > 2 ** 20)
})

test('workers that are terminated while they read do not take the process with them', async () => {
  const result = await runNode(`
    const { Worker } = require('node:worker_threads')
    const script = \`
      const { parentPort } = require('node:worker_threads')
      const { usage, mappings } = require(${LIBRARY})
      const { takeReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
      parentPort.postMessage('reading')
      async function read() {
        for (;;) {
          usage()
          await Promise.all([mappings(), mappings({ anonymousOnly: true }), takeReading(), mappings(), takeReading()])
        }
      }
      read()\`
    async function one(round) {
      const worker = new Worker(script, { eval: true })
      await new Promise((resolve) => worker.once('message', resolve))
      for (let i = 0; i < round % 5; i++) await new Promise((resolve) => setImmediate(resolve))
      return worker.terminate()
    }
    async function main() {
      for (let round = 0; round < 12; round++) await Promise.all(Array.from({ length: 8 }, (_, i) => one(round + i)))
      const { usage, mappings } = require(${LIBRARY})
      console.log(JSON.stringify([usage().rss, (await mappings()).length]))
    }
    main()`)
  const [rss, length] = result as number[]
  assert.ok(rss! > 2 ** 20 && length! > 50)
})

test('a process that exits while it reads ends as it would without', async () => {
  for (const end of ['process.exit(0)', 'undefined']) {
    const result = await runNode(`
      const { mappings } = require(${LIBRARY})
      const { takeReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
      console.log('"ended"')
      for (let i = 0; i < 20; i++) { mappings(); takeReading() }
      setImmediate(() => { ${end} })`)
    assert.equal(result, 'ended')
  }
})

test('readings leave no descriptor and no memory behind', async () => {
  const result = await runNode(`
    const { readdirSync } = require('node:fs')
    const { usage, mappings } = require(${LIBRARY})
    const { takeReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
    const count = () => readdirSync('/proc/self/fd').length
    async function some(n) {
      for (let i = 0; i < n; i++) {
        usage()
        await Promise.all([mappings(), mappings({ anonymousOnly: true }), takeReading()])
        await mappings({ pid: 0x7fffffff }).catch(() => {})
        await takeReading({ pid: process.ppid })
      }
    }
    async function main() {
      await some(20)
      const before = count()
      const native = (await takeReading()).owners
      await some(200)
      const after = (await takeReading()).owners
      const grown = (after.profiler - native.profiler) / 2 ** 20
      console.log(JSON.stringify({ descriptors: count() - before, grown }))
    }
    main()`)
  const { descriptors, grown } = result as { descriptors: number; grown: number }
  assert.equal(descriptors, 0)
  // Tables in use at the moment of the reading come and go; two hundred that stay would be tens of MiB.
  assert.ok(grown < 1, `tidemark's own memory grew by ${grown} MiB`)
})
