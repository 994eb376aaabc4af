'use strict'
// Frames are put into SharedArrayBuffers for a worker that nobody started; they queue up.

const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const FRAME = 128 * 1024
const queue = []

function queueFrame(i) {
  const frame = new SharedArrayBuffer(FRAME)
  new Uint8Array(frame).fill(i)
  queue.push(frame)
  keeps('array-buffers', FRAME)
}

run({
  seconds: 24,
  perSecond: 16,
  work: queueFrame,
  truth: leak([{ owner: 'array-buffers', site: { function: 'queueFrame' } }]),
})
