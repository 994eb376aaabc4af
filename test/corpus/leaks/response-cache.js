'use strict'
// Answers are cached under the whole URL, which holds a number that never comes again; nothing is evicted.

const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { startService } = require('../support/service.js')
const { leak } = require('../support/truth.js')

const next = seeded(11)
const cache = new Map()

function renderPage(query) {
  const rows = []
  for (let n = 0; n < 250; n++) rows.push({ id: n, price: next(1e9), name: 'product' })
  return JSON.stringify({ query, rows })
}

function answer(query) {
  if (!cache.has(query)) cache.set(query, renderPage(query))
  return cache.get(query)
}

const pageBytes = costOf('heap', (i) => answer(`page=${i}`))
let ask

run({
  seconds: 36,
  perSecond: 150,
  before: async () => {
    ask = await startService({ '/page': answer })
  },
  async work(i) {
    await ask(`/page?session=${i}`)
    keeps('js-heap', pageBytes)
  },
  // JSON.stringify gives a string in pieces. V8 puts them together when the server first reads its answer's length, and only
  // that copy stays: it is allocated by who sends the answer, not by renderPage.
  truth: leak([{ owner: 'js-heap', site: { file: 'service.js' } }]),
})
