'use strict'
// A quarter of a MiB a second, under traffic whose bursts are a hundred times that.

const { EventEmitter } = require('node:events')
const { keeps, run } = require('../support/program.js')
const { makeGarbage } = require('../support/garbage.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(10)
const RECORD = 16 * 1024
const bus = new EventEmitter()
const journal = []
let burst = []
let burstEnds = 0
let nextBurst = 150

function appendRecord() {
  journal.push(Buffer.alloc(RECORD, 1))
  keeps('array-buffers', RECORD)
}

/** 8 to 32 MiB of uploads at once, that are gone a second later. */
function traffic(i) {
  if (i === burstEnds) burst = []
  if (i !== nextBurst) return
  for (let n = 128 + next(384); n > 0; n--) burst.push(Buffer.alloc(64 * 1024, 1))
  burstEnds = i + 20 + next(30)
  nextBurst = i + 80 + next(200)
}

bus.on('record', appendRecord)
bus.on('tick', traffic)

run({
  // One sample in 512 KiB is taken: 150 of them tell its rate to a tenth.
  seconds: 300,
  perSecond: 32,
  work(i) {
    if (i % 2 === 0) bus.emit('record')
    bus.emit('tick', i)
    makeGarbage(next)
  },
  truth: leak([{ owner: 'array-buffers', site: { function: 'appendRecord' } }]),
})
