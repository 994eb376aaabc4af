'use strict'
// Every three seconds a batch of Buffers that is larger than the last, and forgotten at once but for one in 200, which stays
// until the next. They are collected within a second, and the allocator keeps their memory.

const { collectGarbage } = require('../support/collect-garbage.js')
const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(108)
const PER_SECOND = 50
let survivors = []

function handleBatch(size) {
  const batch = []
  for (let n = 0; n < size; n++) batch.push(Buffer.alloc(16 * 1024, 1))
  survivors = batch.filter((_, n) => n % 200 === 199)
}

run({
  seconds: 36,
  perSecond: PER_SECOND,
  work(i) {
    if (i % (3 * PER_SECOND) === 0) handleBatch(1000 + 4 * i)
    if (i % (3 * PER_SECOND) === PER_SECOND) collectGarbage()
    makeGarbage(next)
    return survivors.length
  },
  truth: noLeak('retention'),
})
