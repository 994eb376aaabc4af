'use strict'
// Each request sets a timer for its time limit and clears it when it is answered, up to a second later.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(117)

function request(id) {
  const rows = new Array(2000).fill(id)
  const limit = setTimeout(() => rows.push('too late'), 60_000)
  setTimeout(() => clearTimeout(limit), next(1000))
}

run({
  seconds: 36,
  perSecond: 200,
  work(i) {
    request(i)
    if (i % 10 === 0) makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
