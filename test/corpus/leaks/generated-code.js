'use strict'
// A template compiler makes a script for each page, and keeps one function of it under the page's name, which is never the
// same. With that function the whole script stays, its text and all.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(8)
const templates = new Map()

function compileTemplate(page) {
  const parts = []
  for (let n = 0; n < 120; n++) {
    parts.push(`part${n}(row) { return row.field${n} > ${next(1e9)} ? '<li class="row">' + row.name + '</li>' : '' }`)
  }
  const template = new Function(`return { ${parts.join(', ')} }`)()
  template.part0({})
  templates.set(page, template.part0)
}

const templateBytes = costOf('heap', compileTemplate)

run({
  seconds: 36,
  perSecond: 60,
  work(i) {
    compileTemplate(i)
    keeps('js-heap', templateBytes)
    if (i % 6 === 0) makeGarbage(next)
  },
  truth: leak([{ owner: 'js-heap', site: { function: 'compileTemplate' } }]),
})
