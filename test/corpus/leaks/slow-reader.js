'use strict'
// Events are written to every client without waiting for 'drain'; one client never reads, and its socket's queue grows.

const { once } = require('node:events')
const { connect, createServer } = require('node:net')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const EVENT = 40 * 1024
let socket
let queued = 0

function publish(i) {
  socket.write(Buffer.alloc(EVENT, i))
  keeps('array-buffers', socket.writableLength - queued)
  queued = socket.writableLength
}

run({
  seconds: 28,
  perSecond: 60,
  before: async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    socket = connect(server.address().port, '127.0.0.1')
    await once(socket, 'connect')
  },
  work: publish,
  truth: leak([{ owner: 'array-buffers', site: { function: 'publish' } }]),
})
