'use strict'
// Jobs come in bursts of up to 300, are worked off at 100 a second, and are refused while 400 are waiting.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(115)
const MOST_WAITING = 400
const queue = []
let nextBurst = 50

run({
  seconds: 45,
  perSecond: 50,
  work(i) {
    if (i === nextBurst) {
      for (let n = next(300); n > 0 && queue.length < MOST_WAITING; n--) queue.push(Buffer.alloc(64 * 1024, 1))
      nextBurst = i + 25 + next(150)
    }
    queue.splice(0, 2)
    makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
