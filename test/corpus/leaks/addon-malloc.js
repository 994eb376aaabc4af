'use strict'
// An addon keeps a native block for each picture that it decodes; it is compiled with frame pointers.

const { addon } = require('../support/addon.js')
const { keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(5)
const { retain } = addon('leaky', '-fno-omit-frame-pointer')

function decodePicture() {
  const size = 8192 + next(64 * 1024)
  retain(size)
  keeps('malloc', size)
}

run({
  seconds: 24,
  perSecond: 60,
  work: decodePicture,
  truth: leak([{ owner: 'malloc', site: { function: 'retain_native_block', caller: 'decodePicture' } }]),
})
