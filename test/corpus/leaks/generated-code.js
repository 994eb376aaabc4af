'use strict'
// A query compiler makes a function for each query, and keeps it under the query's text, which is never the same.

const { costOf, keeps, run } = require('../support/program.js')
const { makeGarbage } = require('../support/garbage.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(8)
const compiled = new Map()

function compileQuery(id) {
  const terms = []
  for (let n = 0; n < 120; n++) terms.push(`(row.field${n} > ${next(1e9)} ? ${n} : row.other${n})`)
  const query = new Function('row', `return ${terms.join(' + ')} // ${id}`)
  query({})
  compiled.set(id, query)
}

const queryBytes = costOf('heap', compileQuery)

run({
  seconds: 36,
  perSecond: 60,
  work(i) {
    compileQuery(i)
    keeps('js-heap', queryBytes)
    if (i % 6 === 0) makeGarbage(next)
  },
  // What V8 keeps of a function that ran once is text and bytecode, on the JS heap; machine code is made of hot ones only.
  truth: leak([{ owner: 'js-heap', site: { function: 'compileQuery' } }], ['js-code']),
})
