'use strict'
// An addon makes a shared mapping for each frame that it hands to another process, and keeps all of them.

const { addon } = require('../support/addon.js')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const FRAME = 192 * 1024
const { mapShared } = addon('mappings')

run({
  seconds: 24,
  perSecond: 10,
  work() {
    mapShared(FRAME)
    keeps('shmem', FRAME)
  },
  truth: leak([{ owner: 'shmem' }]),
})
