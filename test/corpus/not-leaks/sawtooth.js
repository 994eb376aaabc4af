'use strict'
// A list of rows grows for four seconds and is dropped, again and again, among 20 MB/s of garbage.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(102)
const PER_SECOND = 50
const PERIOD = 4 * PER_SECOND
let rows = []

run({
  seconds: 45,
  perSecond: PER_SECOND,
  work(i) {
    if (i % PERIOD === 0) rows = []
    for (let n = 0; n < 1000; n++) rows.push({ id: n, batch: i, price: next(1e6) })
    makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
