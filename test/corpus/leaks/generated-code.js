'use strict'
// A query compiler makes a function for each query and keeps it under the query's text, which is never the same. A dashboard
// runs all of them again each second: V8 would throw away the bytecode of functions that rest.

const { makeGarbage } = require('../support/garbage.js')
const { costOf, keeps, run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { leak } = require('../support/truth.js')

const next = seeded(8)
const PER_SECOND = 60
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
  perSecond: PER_SECOND,
  work(i) {
    compileQuery(i)
    keeps('js-heap', queryBytes)
    if (i % PER_SECOND === 0) for (const query of compiled.values()) query({})
    if (i % 6 === 0) makeGarbage(next)
  },
  // Text, bytecode and type feedback are on the JS heap. Functions that run often get machine code besides.
  truth: leak([{ owner: 'js-heap', site: { function: 'compileQuery' } }], ['js-code']),
})
