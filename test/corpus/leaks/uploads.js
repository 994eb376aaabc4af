'use strict'
// Uploads are kept for a retry and nobody evicts them: the plainest leak of Buffers.

const { keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(1)
const uploads = []

function rememberUpload() {
  const upload = Buffer.alloc(16 * 1024 + next(64 * 1024), 1)
  uploads.push(upload)
  keeps('array-buffers', upload.length)
}

run({
  seconds: 24,
  perSecond: 50,
  work: rememberUpload,
  truth: leak([{ owner: 'array-buffers', site: { function: 'rememberUpload' } }]),
})
