'use strict'
// Each connection listens to the prices, and nobody takes its listener off when it ends: the emitter keeps all of them,
// and each closure keeps its connection's history.

const { EventEmitter } = require('node:events')
const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(3)
const prices = new EventEmitter().setMaxListeners(0)

function connect(id) {
  const history = new Array(2000).fill(id)
  prices.on('change', (price) => history.push(price))
}

const connectionBytes = costOf('heap', connect)

run({
  seconds: 32,
  perSecond: 100,
  work(i) {
    connect(i)
    keeps('js-heap', connectionBytes)
    if (i % 5 === 0) makeGarbage(next)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'connect' } }]),
})
