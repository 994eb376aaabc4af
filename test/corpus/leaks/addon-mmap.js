'use strict'
// An addon with a pool of its own maps memory directly, and never unmaps it.

const { addon } = require('../support/addon.js')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const AREA = 256 * 1024
const { mapAnonymous } = addon('mappings')

run({
  seconds: 24,
  perSecond: 8,
  work() {
    mapAnonymous(AREA)
    keeps('mmap', AREA)
  },
  truth: leak([{ owner: 'mmap' }]),
})
