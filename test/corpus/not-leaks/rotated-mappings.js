'use strict'
// Segments of a log are mapped, read and unmapped again; twelve of them are mapped at any time.

const { mkdtempSync, openSync, rmSync, writeSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { addon } = require('../support/addon.js')
const { run } = require('../support/program.js')
const { noLeak } = require('../support/truth.js')

const SEGMENTS = 64
const SEGMENT = 1024 * 1024
const { mapFile, unmap } = addon('mappings')
const open = []

/** A file that is gone when the program ends, however it ends. */
function makeLog() {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-corpus-'))
  const file = openSync(join(folder, 'log'), 'w+')
  rmSync(folder, { recursive: true })
  for (let n = 0; n < SEGMENTS; n++) writeSync(file, Buffer.alloc(SEGMENT, n))
  return file
}

let log

run({
  seconds: 30,
  perSecond: 8,
  before: () => {
    log = makeLog()
  },
  work(i) {
    open.push(mapFile(log, (i % SEGMENTS) * SEGMENT, SEGMENT))
    if (open.length > 12) unmap(open.shift())
  },
  truth: noLeak('steady', 'warm-up'),
})
