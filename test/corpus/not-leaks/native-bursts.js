'use strict'
// Bursts of native blocks, each larger than the last; of each 1 block in 200 is kept until the next, which pins the rest of
// the allocator's memory. What is live does not grow.

const { addon } = require('../support/addon.js')
const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const { burst } = addon('blocks')

run({
  seconds: 30,
  perSecond: 2,
  work: (i) => burst(2000 + 200 * i, 8192, 200),
  truth: noLeak('retention'),
})
