'use strict'
// A worker that loads a table, says how much of V8's heap it has in memory when it has come to rest, and waits.

const { getHeapStatistics } = require('node:v8')
const { parentPort, workerData } = require('node:worker_threads')

const rows = []

function loadTable() {
  for (let id = 0; id < workerData.rows; id++) rows.push({ id, price: id * 7919, name: `product ${id}` })
}

loadTable()
parentPort.on('message', (id) => parentPort.postMessage(rows[id]))
setTimeout(() => parentPort.postMessage(getHeapStatistics().total_physical_size), 500)
