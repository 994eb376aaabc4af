'use strict'
// The service of leaks/one-handler.js without its leak: eight routes under load.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { startService } = require('../support/service.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(101)

const handlers = {
  '/recommend': () => JSON.stringify(Array.from({ length: 300 }, (_, n) => ({ product: next(1e6), score: n / 7 }))),
  '/products': () => JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, price: next(1e6) }))),
  '/search': (words) => String(makeGarbage(next) + words.length),
  '/basket': (id) => JSON.stringify({ id, lines: Array.from({ length: 20 }, () => next(1e6)) }),
  '/image': () => Buffer.alloc(20_000, 7),
  '/login': (name) => Buffer.from(name).toString('base64url'),
  '/health': () => 'ok',
  '/prices': () => 'price,'.repeat(2000),
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
