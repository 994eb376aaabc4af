'use strict'
// Of each packet only its 32 bytes of header are kept, as a slice; the slice keeps the whole packet.

const { keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(7)
const headers = []

function receivePacket() {
  return Buffer.alloc(32 * 1024 + next(64 * 1024), 1)
}

run({
  seconds: 24,
  perSecond: 40,
  work() {
    const packet = receivePacket()
    headers.push(packet.subarray(0, 32))
    keeps('array-buffers', packet.length)
  },
  truth: leak([{ owner: 'array-buffers', site: { function: 'receivePacket' } }]),
})
