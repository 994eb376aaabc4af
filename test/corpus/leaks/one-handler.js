'use strict'
// Eight routes under load, and one of them remembers every visitor: 1 in 8 requests leaks.

const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { startService } = require('../support/service.js')
const { routes } = require('../support/shop.js')
const { leak } = require('../support/truth.js')

const next = seeded(9)
const seenBy = new Map()

function recommend(visitor) {
  const seen = []
  for (let n = 0; n < 300; n++) seen.push({ product: next(1e6), at: n, score: n / 7 })
  seenBy.set(visitor, seen)
  return String(seen.length)
}

const visitorBytes = costOf('heap', (i) => recommend(`visitor ${i}`))

const handlers = {
  '/recommend': recommend,
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
  async work(i) {
    const path = paths[i % paths.length]
    await ask(`${path}?${i}`)
    if (path === '/recommend') keeps('js-heap', visitorBytes)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'recommend' } }]),
})
