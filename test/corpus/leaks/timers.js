'use strict'
// Each account is polled by an interval that is never cleared when its user leaves; the timer keeps the account.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(4)
const HOUR_MS = 3600e3

function pollAccount(id) {
  const account = { id, balance: next(1e6), movements: [] }
  for (let n = 0; n < 120; n++) account.movements.push({ cents: next(1e5), from: n, to: id })
  setInterval(() => account.movements.push({ cents: 0, from: 0, to: id }), HOUR_MS)
}

const accountBytes = costOf('heap', pollAccount)

run({
  seconds: 32,
  perSecond: 200,
  work(i) {
    pollAccount(i)
    keeps('js-heap', accountBytes)
    if (i % 10 === 0) makeGarbage(next)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'pollAccount' } }]),
})
