'use strict'
// Users come back: each request is of one of 4,000 profiles, and those that have been seen are kept. It rises ever more slowly.

const { makeGarbage } = require('../support/garbage.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(104)
const PROFILES = 4000
const profiles = new Map()

function loadProfile(id) {
  const visits = []
  for (let n = 0; n < 120; n++) visits.push({ at: n, page: id, seconds: n / 3 })
  return { id, visits }
}

run({
  seconds: 60,
  perSecond: 400, // 4,000 profiles in ten seconds, were each asked for in turn: the time constant
  work(i) {
    const id = next(PROFILES)
    if (!profiles.has(id)) profiles.set(id, loadProfile(id))
    if (i % 20 === 0) makeGarbage(next)
  },
  truth: noLeak('warm-up'),
})
