'use strict'
// A search index of 64 MiB is mapped block by block, as queries happen to need it, until nearly all of it is.

const { mkdtempSync, openSync, rmSync, writeSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { addon } = require('../support/addon.js')
const { run } = require('../support/program.js')
const { seeded } = require('../support/random.js')
const { noLeak } = require('../support/truth.js')

const next = seeded(110)
const BLOCKS = 128
const BLOCK = 512 * 1024
const { mapFile } = addon('mappings')
const mapped = new Map()

/** A file that is gone when the program ends, however it ends. */
function makeIndex() {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-corpus-'))
  const file = openSync(join(folder, 'index'), 'w+')
  rmSync(folder, { recursive: true })
  for (let n = 0; n < BLOCKS; n++) writeSync(file, Buffer.alloc(BLOCK, n))
  return file
}

let index

run({
  seconds: 36,
  perSecond: 32, // a time constant of four seconds
  before: () => {
    index = makeIndex()
  },
  work() {
    const block = next(BLOCKS)
    if (!mapped.has(block)) mapped.set(block, mapFile(index, block * BLOCK, BLOCK))
  },
  truth: noLeak('warm-up'),
})
