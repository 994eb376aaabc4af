'use strict'
// After 15 s a table of 40 MiB is loaded, once; before and after that nothing grows.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(109)
const PER_SECOND = 25
const table = []

run({
  seconds: 45,
  perSecond: PER_SECOND,
  work(i) {
    if (i === 15 * PER_SECOND) for (let n = 0; n < 640; n++) table.push(Buffer.alloc(64 * 1024, n))
    makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
