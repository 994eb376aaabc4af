'use strict'
// Each connection gets a compressor that is never closed: a few hundred KiB of zlib's own memory stay with each.

const { createDeflate } = require('node:zlib')
const { costOf, keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const compressors = []

function openCompressor() {
  const compressor = createDeflate({ chunkSize: 1024 })
  compressors.push(compressor)
  return new Promise((resolve) => compressor.write('hello', resolve))
}

const compressorBytes = costOf('rss', openCompressor)

run({
  seconds: 24,
  perSecond: 10,
  async work() {
    await openCompressor()
    keeps('malloc', compressorBytes)
  },
  // zlib allocates when a pool thread first compresses: no JavaScript is on that stack, so no function can be asked for.
  // The stream object and its buffers are some KiB of each compressor.
  truth: leak([{ owner: 'malloc' }], ['js-heap', 'array-buffers']),
})
