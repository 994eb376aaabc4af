'use strict'
// sharp makes thumbnails that nobody keeps.

const sharp = require('sharp')
const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const noise = { type: 'gaussian', mean: 128, sigma: 60 }
let picture

run({
  seconds: 45,
  perSecond: 20,
  before: async () => {
    picture = await sharp({ create: { width: 640, height: 480, channels: 3, background: 'grey', noise } })
      .jpeg()
      .toBuffer()
  },
  work: () => sharp(picture).resize(192, 144).raw().toBuffer(),
  // libvips works on threads of its own, whose arenas keep what was freed in them.
  truth: noLeak('steady', 'warm-up', 'retention'),
})
