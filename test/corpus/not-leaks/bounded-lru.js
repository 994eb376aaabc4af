'use strict'
// A cache of 3,000 pages that is full within five seconds; from then on each page that comes in makes another one leave.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(105)
const CAPACITY = 3000
const pages = new Map() // In the order of use: the first is the one that was used longest ago.

function page(id) {
  const found = pages.get(id) ?? Array.from({ length: 200 + next(800) }, (_, n) => n * id)
  pages.delete(id)
  pages.set(id, found)
  if (pages.size > CAPACITY) pages.delete(pages.keys().next().value)
  return found
}

run({
  seconds: 40,
  perSecond: 800,
  work(i) {
    page(next(30_000))
    if (i % 40 === 0) makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
