/** The periodic reading: resident bytes by owner. Each subject is a process of its own, whose contents are known. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Owner, Reading } from 'tidemark'
import { takeReading } from '#dist/readings/take-reading'
import { DIST, freeze, runNode, startNode } from './processes.js'

const MiB = 2 ** 20

function sum(reading: Reading): number {
  return Object.values(reading.owners).reduce((total, bytes) => total + bytes, 0)
}

/**
 * Runs `make` in a new process between two readings of it by itself, and gives what each owner grew by, in MiB. What
 * `make` returns stays reachable until the end.
 */
async function growthOf(make: string): Promise<Record<Owner, number>> {
  const script = `
    const { takeReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
    const { Worker } = require('node:worker_threads')
    const MiB = 2 ** 20
    async function main() {
      await takeReading()
      const before = await takeReading()
      globalThis.kept = await (${make})()
      const after = await takeReading()
      const grown = {}
      for (const owner of Object.keys(after.owners)) grown[owner] = (after.owners[owner] - before.owners[owner]) / MiB
      console.log(JSON.stringify(grown))
      process.exit(0)
    }
    main()`
  return (await runNode(script)) as Record<Owner, number>
}

/**
 * V8's heap grows and shrinks by some MiB while a script runs, and glibc's arenas with it: what the test is about is made
 * an order of magnitude larger.
 */
function near(actual: number, expected: number, what: string, tolerance = 6): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} grew by ${actual.toFixed(1)} MiB, not ${expected}`)
}

test('the owners of this process sum to its rss, of another too', async (t) => {
  const subject = await startNode(t, 'globalThis.b = Buffer.alloc(30 * 2 ** 20, 1); ready()')
  for (const pid of [undefined, subject.pid]) {
    const reading = await takeReading(pid === undefined ? {} : { pid })
    assert.equal(sum(reading), reading.rss)
    assert.equal(reading.file + reading.shmem, reading.rss - reading.anon)
    assert.equal(reading.heap === undefined, pid !== undefined, 'V8 counts for its own process only')
    assert.ok(Math.abs(reading.t - Date.now()) < 60_000)
  }
})

test('of a process that stands still almost nothing is left unexplained', async (t) => {
  const subject = await startNode(t, 'globalThis.b = Buffer.alloc(30 * 2 ** 20, 1); ready()')
  await freeze(subject)
  const { owners, rss } = await takeReading({ pid: subject.pid })
  // The kernel's counters leave out a batch of 64 pages or so a CPU.
  assert.ok(Math.abs(owners.unexplained!) < 2 * MiB, `${owners.unexplained} of ${rss}`)
})

test('touched buffers are array-buffers', async () => {
  const grown = await growthOf('() => Array.from({ length: 12 }, () => Buffer.alloc(5 * MiB, 1))')
  near(grown['array-buffers'], 60, 'array-buffers')
  near(grown.malloc, 0, 'malloc')
  near(grown['js-heap'], 0, 'js-heap')
})

test('a resizable ArrayBuffer and a growable shared one are array-buffers', async () => {
  const grown = await growthOf(`() => {
    const resizable = new ArrayBuffer(40 * MiB, { maxByteLength: 200 * MiB })
    const growable = new SharedArrayBuffer(30 * MiB, { maxByteLength: 100 * MiB })
    new Uint8Array(resizable).fill(1, 0, 35 * MiB)
    new Uint8Array(growable).fill(1, 0, 25 * MiB)
    return [resizable, growable]
  }`)
  near(grown['array-buffers'], 60, 'array-buffers')
  near(grown.wasm, 0, 'wasm')
})

test('a wasm memory is wasm as far as it is touched', async () => {
  const grown = await growthOf(`() => {
    const memory = new WebAssembly.Memory({ initial: 100 * 16, maximum: 200 * 16 })
    const shared = new WebAssembly.Memory({ initial: 20 * 16, maximum: 20 * 16, shared: true })
    new Uint8Array(memory.buffer).fill(1, 0, 50 * MiB)
    new Uint8Array(shared.buffer).fill(1, 0, 10 * MiB)
    return [memory, shared]
  }`)
  near(grown.wasm, 60, 'wasm', 0.5)
})

test('buffers between wasm memories are not taken for one', async () => {
  const grown = await growthOf(`() => {
    const kept = []
    for (let i = 0; i < 4; i++) {
      const memory = new WebAssembly.Memory({ initial: 16, maximum: 16 * 16 })
      new Uint8Array(memory.buffer).fill(1)
      kept.push(memory, Buffer.alloc(15 * MiB, 1))
    }
    return kept
  }`)
  near(grown.wasm, 4, 'wasm', 0.5)
  near(grown['array-buffers'] + grown.malloc, 60, 'array-buffers and malloc')
})

test('objects are js-heap', async () => {
  // An array of 50 doubles is 400 bytes and its headers: 100,000 of them are 41 to 48 MiB, and twice that while they move.
  const grown = await growthOf('() => Array.from({ length: 100_000 }, (_, i) => new Array(50).fill(i + 0.5))')
  assert.ok(grown['js-heap'] > 38 && grown['js-heap'] < 110, `js-heap grew by ${grown['js-heap']} MiB`)
  near(grown.malloc + grown.mmap + grown['array-buffers'], 0, 'what is not V8’s')
})

test('the objects of a worker are js-heap, and its stack is a thread’s', async () => {
  const grown = await growthOf(`async () => {
    const worker = new Worker(\`
      globalThis.kept = Array.from({ length: 100_000 }, (_, i) => new Array(50).fill(i + 0.5))
      const { parentPort } = require('node:worker_threads')
      const deep = (n) => { try { return deep(n + 1) + 1 } catch { return 0 } }
      deep(0)
      parentPort.postMessage('ready')
      parentPort.on('message', () => {})\`, { eval: true, resourceLimits: { stackSizeMb: 4 } })
    await new Promise((resolve) => worker.once('message', resolve))
    return worker
  }`)
  assert.ok(grown['js-heap'] > 38 && grown['js-heap'] < 120, `js-heap grew by ${grown['js-heap']} MiB`)
  // A Node worker has a stack of 4 MiB, of which it leaves a part unused.
  assert.ok(
    grown['thread-stacks'] > 2.5 && grown['thread-stacks'] < 4.5,
    `stacks grew by ${grown['thread-stacks']} MiB`,
  )
})

test('what tidemark reads with is the profiler’s, and stays small', async () => {
  const { owners } = await takeReading()
  assert.ok(owners.profiler! > 0 && owners.profiler! < 2 * MiB, `${owners.profiler} bytes`)
})

test('a reading stands while memory lies still, still sums to rss, and falls once memory moves', async () => {
  const result = await runNode(`
    const { takeReading, unmovedReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
    async function main() {
      let taken, standing = null
      for (let i = 0; i < 50 && standing === null; i++) { // code that runs for the first time moves memory itself
        taken = await takeReading()
        standing = unmovedReading(taken)
      }
      const sum = Object.values(standing.owners).reduce((a, b) => a + b, 0) - standing.rss
      globalThis.kept = Buffer.alloc(40 * 2 ** 20, 1)
      console.log(JSON.stringify({ sum, heap: standing.heap.used, afterGrowth: unmovedReading(taken) }))
    }
    main()`)
  const { sum, heap, afterGrowth } = result as { sum: number; heap: number; afterGrowth: unknown }
  assert.equal(sum, 0)
  assert.ok(heap > 2 ** 20)
  assert.equal(afterGrowth, null)
})

test('a reading falls where V8 counts other ArrayBuffers, however still RSS stands', async () => {
  const moved = await runNode(`
    const { takeReading, unmovedReading } = require(${JSON.stringify(`${DIST}/readings/take-reading`)})
    async function main() {
      let taken, standing = null
      for (let i = 0; i < 50 && standing === null; i++) {
        taken = await takeReading()
        standing = unmovedReading(taken)
      }
      globalThis.kept = new ArrayBuffer(40 * 2 ** 20) // calloc maps it, and nothing touches it
      const { rss } = process.memoryUsage()
      console.log(JSON.stringify({ stood: standing !== null, grown: rss - standing.rss, after: unmovedReading(taken) }))
    }
    main()`)
  const { stood, grown, after } = moved as { stood: boolean; grown: number; after: unknown }
  assert.ok(stood)
  assert.ok(grown < 256 * 1024, `${grown} bytes were touched: RSS alone tells of that`)
  assert.equal(after, null)
})
