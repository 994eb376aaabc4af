'use strict'
// Requests wait for replies that never come, without a time limit: each async function stays, with all it holds.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(13)
const waiting = new Map()

function replyTo(id) {
  return new Promise((resolve) => waiting.set(id, resolve))
}

async function request(id) {
  const rows = []
  for (let n = 0; n < 150; n++) rows.push({ id: n, value: next(1e6), parent: { id } })
  const reply = await replyTo(id)
  return rows.concat(reply)
}

const requestBytes = costOf('heap', (i) => void request(i))

run({
  seconds: 32,
  perSecond: 120,
  work(i) {
    void request(i)
    keeps('js-heap', requestBytes)
    if (i % 6 === 0) makeGarbage(next)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'request' } }]),
})
