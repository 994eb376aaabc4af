'use strict'
// Small objects own native blocks of which V8 knows nothing. They are held for two seconds, so that they grow old, and are
// freed only when V8 collects its old space: seldom, as it sees next to no garbage.

const { addon } = require('../support/addon.js')
const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const PER_SECOND = 40
const { own } = addon('blocks')
const recent = []

run({
  seconds: 60,
  perSecond: PER_SECOND,
  work(i) {
    recent.push({ picture: own(48 * 1024), labels: Array.from({ length: 100 }, (_, n) => `label ${n} of ${i}`) })
    if (recent.length > 2 * PER_SECOND) recent.shift()
  },
  // What V8 frees late the allocator may keep. And before old space was collected a few times nobody can know what will be left.
  truth: noLeak('steady', 'warm-up', 'retention', 'unknown'),
})
