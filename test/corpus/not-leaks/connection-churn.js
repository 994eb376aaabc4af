'use strict'
// Each request has a connection of its own: sockets, parsers and timers come and go.

const { run } = require('../support/program.js')
const { startService } = require('../support/service.js')
const { noLeak } = require('../support/truth.js')

let ask

run({
  seconds: 36,
  perSecond: 120,
  before: async () => {
    ask = await startService({ '/': (query) => query.repeat(500) }, { keepAlive: false })
  },
  work: (i) => ask(`/?${i}`),
  truth: noLeak('steady', 'warm-up'),
})
