'use strict'
// How many jobs are open is a random walk, reflected at 100 and at 700: it goes up for seconds, and comes down again.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(112)
const jobs = Array.from({ length: 300 }, () => Buffer.alloc(64 * 1024, 1))

run({
  seconds: 60,
  perSecond: 50,
  work() {
    const step = next(101) - 50
    const wanted = jobs.length + step
    const count = wanted < 100 ? 200 - wanted : wanted > 700 ? 1400 - wanted : wanted
    while (jobs.length > count) jobs.pop()
    while (jobs.length < count) jobs.push(Buffer.alloc(64 * 1024, 1))
    makeGarbage(next)
  },
  truth: noLeak('steady', 'warm-up'),
})
