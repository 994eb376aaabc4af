'use strict'
// An addon starts a thread for each job, and the threads never end: each keeps the stack that it has used.

const { addon } = require('../support/addon.js')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const { park } = addon('parked')

run({
  seconds: 24,
  perSecond: 8,
  work: () => keeps('thread-stacks', park()),
  truth: leak([{ owner: 'thread-stacks' }]),
})
