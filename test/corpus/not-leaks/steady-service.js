'use strict'
// The service of leaks/one-handler.js without its leak: eight routes under load.

const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { startService } = require('../support/service.js')
const { routes } = require('../support/shop.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(101)

const handlers = {
  '/recommend': () => JSON.stringify(Array.from({ length: 300 }, (_, n) => ({ product: next(1e6), score: n / 7 }))),
  ...routes(next),
}
const paths = Object.keys(handlers)
let ask

run({
  seconds: 40,
  perSecond: 200,
  before: async () => {
    ask = await startService(handlers)
  },
  work: (i) => ask(`${paths[i % paths.length]}?${i}`),
  truth: noLeak('steady', 'warm-up'),
})
