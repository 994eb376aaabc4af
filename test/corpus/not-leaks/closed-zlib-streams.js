'use strict'
// Each answer is compressed by a stream of its own, which is ended as it should be.

const { createGzip } = require('node:zlib')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(118)

function compress(text) {
  const gzip = createGzip()
  gzip.resume()
  gzip.end(text)
  return new Promise((resolve) => gzip.once('end', resolve))
}

run({
  seconds: 36,
  perSecond: 60,
  work: () => compress(`${next(1e9)} `.repeat(2000)),
  // zlib's memory is freed on many threads, into arenas that glibc may keep.
  truth: noLeak('steady', 'warm-up', 'retention'),
})
