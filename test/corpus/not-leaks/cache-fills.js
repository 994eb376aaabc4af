'use strict'
// A cache of 1,000 rendered tiles fills during the first eight seconds, and then stays as large as it is.

const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const TILES = 1000
const tiles = new Map()

function tile(id) {
  if (!tiles.has(id)) tiles.set(id, Buffer.alloc(64 * 1024, 1))
  return tiles.get(id)
}

run({
  seconds: 30,
  perSecond: 125,
  work: (i) => tile(i % TILES),
  truth: noLeak('warm-up'),
})
