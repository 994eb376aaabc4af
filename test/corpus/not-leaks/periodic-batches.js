'use strict'
// Every six seconds a batch of 32 to 48 MiB is loaded, worked on for two seconds, and dropped; a second later it
// is collected.

const { collectGarbage } = require('../support/collect-garbage.js')
const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(106)
const PER_SECOND = 25
let batch = []

run({
  seconds: 45,
  perSecond: PER_SECOND,
  work(i) {
    const phase = i % (6 * PER_SECOND)
    if (phase === 0) batch = Array.from({ length: 512 + next(256) }, () => Buffer.alloc(64 * 1024, 1))
    if (phase === 2 * PER_SECOND) batch = []
    if (phase === 3 * PER_SECOND) collectGarbage()
    makeGarbage(next)
    return batch.length
  },
  truth: noLeak('steady', 'warm-up'),
})
