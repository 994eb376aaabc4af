'use strict'
// A worker is started for each report and never terminated: its isolate stays, with the table that it loaded.

const { join } = require('node:path')
const { Worker } = require('node:worker_threads')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const workers = []

function startReport() {
  const worker = new Worker(join(__dirname, '../support/table-worker.js'), { workerData: { rows: 40_000 } })
  workers.push(worker)
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (heapBytes) => {
      keeps('js-heap', heapBytes)
      resolve()
    })
  })
}

run({
  seconds: 32,
  perSecond: 1,
  work: startReport,
  // Each worker also has native objects of Node's, a stack, and V8's built-in code mapped once more from Node's binary,
  // which RSS counts again.
  truth: leak([{ owner: 'js-heap', site: { function: 'loadTable' } }], ['malloc', 'thread-stacks', 'js-code', 'file']),
})
