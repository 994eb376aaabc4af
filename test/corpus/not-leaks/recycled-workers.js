'use strict'
// Two workers at a time, and each second the older one is terminated and another one started.

const { join } = require('node:path')
const { Worker } = require('node:worker_threads')
const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const pool = []

function startWorker() {
  const worker = new Worker(join(__dirname, '../support/table-worker.js'), { workerData: { rows: 20_000 } })
  pool.push(worker)
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
}

run({
  seconds: 45,
  perSecond: 1,
  async work() {
    await startWorker()
    if (pool.length > 2) await pool.shift().terminate()
  },
  truth: noLeak('steady', 'warm-up'),
})
