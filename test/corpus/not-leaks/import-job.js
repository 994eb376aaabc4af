'use strict'
// A job reads an export for twelve seconds, row after row, then writes its summary and forgets the rows.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(119)
const PER_SECOND = 50
const JOB_ENDS = 16 * PER_SECOND
let rows = []

run({
  seconds: 45,
  perSecond: PER_SECOND,
  work(i) {
    if (i >= 4 * PER_SECOND && i < JOB_ENDS) for (let n = 0; n < 600; n++) rows.push({ id: i, n, price: next(1e6) })
    if (i === JOB_ENDS) rows = [rows.length]
    makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
