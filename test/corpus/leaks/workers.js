'use strict'
// A worker is started for each report and never terminated: its isolate stays, with the table that it loaded.

const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { Worker } = require('node:worker_threads')
const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const workers = []
let counted = 0

/**
 * Resident bytes of the heaps of all isolates. V8 knows its own only, and what it calls physical is a high-water mark; but it
 * keeps its heaps from being copied by fork (`dc` in VmFlags), and nothing else here does. Machine code is apart.
 */
function heapBytes() {
  let bytes = 0
  for (const mapping of readFileSync('/proc/self/smaps', 'latin1').split(/\n(?=[0-9a-f]+-)/)) {
    if (!/^\S+ rw-p/.test(mapping) || !/^VmFlags:.* dc/m.test(mapping)) continue
    bytes += 1024 * Number(/^Rss:\s+(\d+)/m.exec(mapping)[1])
  }
  return bytes
}

async function startReport() {
  const worker = new Worker(join(__dirname, '../support/table-worker.js'), { workerData: { rows: 40_000 } })
  workers.push(worker)
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const now = heapBytes()
  keeps('js-heap', now - counted)
  counted = now
}

run({
  seconds: 32,
  perSecond: 1,
  work: startReport,
  // Each worker also has native objects of Node's, a stack, and V8's built-in code mapped once more from Node's binary,
  // which RSS counts again. V8's sampler sees the heap of its own thread: of the workers' no function can be asked for.
  truth: leak([{ owner: 'js-heap' }], ['malloc', 'thread-stacks', 'js-code', 'file']),
})
