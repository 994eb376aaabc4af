'use strict'
// A WebAssembly module whose allocator never gets anything back: its memory grows, and cannot shrink.

const { keeps, run } = require('../support/program.js')
const { leak } = require('../support/truth.js')

const PAGE = 64 * 1024
const PAGES = 4
const memory = new WebAssembly.Memory({ initial: PAGES, maximum: 4096 })

run({
  seconds: 24,
  perSecond: 8,
  work() {
    const end = memory.buffer.byteLength
    memory.grow(PAGES)
    new Uint8Array(memory.buffer, end).fill(1)
    keeps('wasm', PAGES * PAGE)
  },
  truth: leak([{ owner: 'wasm' }]),
})
