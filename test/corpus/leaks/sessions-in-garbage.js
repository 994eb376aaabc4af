'use strict'
// Sessions are opened and never closed, while each request leaves 400 KB of garbage: some 1.4 MB/s among 20 MB/s.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(2)
const sessions = []

function openSession(id) {
  const roles = []
  for (let n = 0; n < 60; n++) roles.push({ name: 'reader', since: next(1e6), team: { id: next(100) } })
  const visited = new Array(500).fill(id)
  sessions.push({ id, roles, visited })
}

const sessionBytes = costOf('heap', openSession)

run({
  seconds: 36,
  perSecond: 50,
  work(i) {
    makeGarbage(next)
    for (let n = 0; n < 3; n++) openSession(i)
    keeps('js-heap', 3 * sessionBytes)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'openSession' } }]),
})
