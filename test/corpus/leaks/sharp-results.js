'use strict'
// sharp makes thumbnails, and every one of them is kept.

const sharp = require('sharp')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const noise = { type: 'gaussian', mean: 128, sigma: 60 }
const thumbnails = []
let picture

async function makeThumbnail() {
  const thumbnail = await sharp(picture).resize(192, 144).raw().toBuffer()
  thumbnails.push(thumbnail)
  keeps('malloc', thumbnail.length)
}

run({
  seconds: 40,
  perSecond: 30,
  before: async () => {
    picture = await sharp({ create: { width: 320, height: 240, channels: 3, background: 'grey', noise } })
      .jpeg()
      .toBuffer()
  },
  work: makeThumbnail,
  // libvips allocates the result on a thread of its own, and V8 is only lent it: Node does not count it among its array
  // buffers, and there is no JavaScript on the stack.
  truth: leak([{ owner: 'malloc', site: { file: 'libvips' } }]),
})
