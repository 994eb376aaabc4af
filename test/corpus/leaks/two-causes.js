'use strict'
// Two leaks at a time: attachments in Buffers, and twice as slowly the messages that they belonged to.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(12)
const ATTACHMENT = 48 * 1024
const attachments = []
const messages = []

function keepAttachment() {
  attachments.push(Buffer.alloc(ATTACHMENT, 1))
}

function keepMessage(id) {
  const words = []
  for (let n = 0; n < 400; n++) words.push({ at: n, word: next(1e6), weight: n / 3 })
  messages.push({ id, words })
}

const messageBytes = costOf('heap', keepMessage)

run({
  seconds: 36,
  perSecond: 50,
  work(i) {
    keepAttachment()
    keeps('array-buffers', ATTACHMENT)
    keepMessage(i)
    keeps('js-heap', messageBytes)
    if (i % 2 === 0) makeGarbage(next)
  },
  truth: leak([
    { owner: 'array-buffers', site: { function: 'keepAttachment' } },
    { owner: 'js-heap', site: { function: 'keepMessage' } },
  ]),
})
