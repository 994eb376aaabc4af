'use strict'
// As addon-malloc, but the addon uses the frame pointer's register for other things, as compilers may.

const { addon } = require('../support/addon.js')
const { keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(6)
const { retain } = addon('leaky', '-fomit-frame-pointer', '-DCLOBBER_FRAME_POINTER')

function indexDocument() {
  const size = 16 * 1024 + next(32 * 1024)
  retain(size)
  keeps('malloc', size)
}

run({
  seconds: 24,
  perSecond: 60,
  work: indexDocument,
  truth: leak([{ owner: 'malloc', site: { function: 'retain_native_block', caller: 'indexDocument' } }]),
})
