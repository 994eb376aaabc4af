'use strict'
// A worker that loads a table, says so, and waits.

const { parentPort, workerData } = require('node:worker_threads')

const rows = []

function loadTable() {
  for (let id = 0; id < workerData.rows; id++) rows.push({ id, price: id * 7919, name: `product ${id}` })
}

loadTable()
parentPort.on('message', (id) => parentPort.postMessage(rows[id]))
parentPort.postMessage('ready')
