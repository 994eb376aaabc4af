/** What is in use right after major collections, also where it is tidemark that makes V8 collect. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DIST, runNode } from './processes.js'

const MiB = 2 ** 20

test('each major collection is counted, with what was in use as it ended', async () => {
  const seen = (await runNode(`
    require('node:v8').setFlagsFromString('--expose-gc')
    const gc = require('node:vm').runInNewContext('gc')
    const { observeMajorGc, majorCollections } = require(${JSON.stringify(`${DIST}/readings/major-gc`)})
    observeMajorGc()
    const { count } = majorCollections()
    gc()
    const empty = majorCollections()
    globalThis.kept = Array.from({ length: 500_000 }, (_, i) => ({ i, i2: i }))
    gc()
    const full = majorCollections()
    globalThis.kept = undefined
    const garbage = majorCollections()
    gc()
    const emptied = majorCollections()
    console.log(JSON.stringify([empty, full, garbage, emptied].map((at) => ({ ...at, count: at.count - count }))))
  `)) as { count: number; usedAfter: number }[]
  const [empty, full, garbage, emptied] = seen
  assert.equal(empty!.count, 1)
  assert.ok(full!.count >= 2, 'V8 may have collected while the array was made')
  assert.ok(full!.usedAfter - empty!.usedAfter > 15 * MiB, `${full!.usedAfter - empty!.usedAfter} bytes more`)
  assert.deepEqual(garbage, full, 'nothing was collected since')
  assert.equal(emptied!.count, full!.count + 1)
  assert.ok(
    Math.abs(emptied!.usedAfter - empty!.usedAfter) < MiB,
    `${emptied!.usedAfter - empty!.usedAfter} bytes more`,
  )
})

test('what a reading of the heap profile makes itself is not in use after the collection that it forces', async () => {
  const { floor, after, truth } = (await runNode(`
    require('node:v8').setFlagsFromString('--expose-gc')
    const gc = require('node:vm').runInNewContext('gc')
    const { observeMajorGc, majorCollections } = require(${JSON.stringify(`${DIST}/readings/major-gc`)})
    const { JsHeapSampler } = require(${JSON.stringify(`${DIST}/profile/js-heap`)})
    async function main() {
      observeMajorGc()
      const sampler = new JsHeapSampler()
      sampler.start(256)
      globalThis.kept = Array.from({ length: 200_000 }, (_, i) => ({ i }))
      const { count } = majorCollections()
      const reading = sampler.read()
      const { count: since, usedAfter: floor } = majorCollections()
      const after = process.memoryUsage().heapUsed
      if (since === count) throw new Error('it has not collected')
      await reading
      sampler.stop()
      // The least of a few: on a busy machine 1.5 MiB more are in use for a moment, one time in twelve; why is not known.
      let truth = Infinity
      for (let i = 0; i < 5; i++) {
        gc()
        truth = Math.min(truth, majorCollections().usedAfter)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      console.log(JSON.stringify({ floor, after, truth }))
    }
    main()`)) as { floor: number; after: number; truth: number }
  assert.ok(after - floor > 2 * MiB, `the reading made ${after - floor} bytes only`)
  assert.ok(Math.abs(floor - truth) < MiB, `${floor} bytes were in use after it, ${truth} without it`)
})
