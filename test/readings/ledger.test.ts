/** Whose memory it is, of processes whose contents are known; test/truth/ledger.test.ts has real workloads. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { constants, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ledger, mappings } from 'tidemark'
import { takeLightReading, takeReading } from '#dist/readings/take-reading'
import { DIST, freeze, runNode, start, startNode } from './processes.js'

const MiB = 2 ** 20

test('the owners of a ledger sum to its rss, from inside and from outside', async (t) => {
  const subject = await startNode(t, 'globalThis.b = Buffer.alloc(30 * 2 ** 20, 1); ready()')
  for (const pid of [undefined, subject.pid]) {
    const { owners, rss, unexplained, ...rest } = await ledger(pid === undefined ? {} : { pid })
    assert.equal(
      Object.values(owners).reduce((sum, bytes) => sum + bytes, 0),
      rss,
    )
    assert.equal(unexplained, owners.unexplained)
    assert.equal(rest.pid, pid ?? process.pid)
    assert.equal(rest.allocator.name, 'glibc')
    assert.equal(owners['malloc-free'], rest.allocator.free)
    assert.ok(rest.trimmable <= rest.allocator.free! && rest.trimmable >= 0)
  }
})

test('nearly every page of a process that stands still is accounted for, as smaps counts them', async (t) => {
  const subject = await startNode(t, 'globalThis.b = Buffer.alloc(30 * 2 ** 20, 1); ready()')
  await freeze(subject)
  const { rss, unexplained } = await ledger({ pid: subject.pid! })
  const exact = (await mappings({ pid: subject.pid! })).totals().rss
  assert.ok(Math.abs(rss - exact) <= MiB, `${rss} of ${exact}`)
  assert.ok(Math.abs(unexplained) <= Math.max(MiB, 0.01 * rss), `${unexplained} of ${rss}`)
})

test('freed memory is malloc-free, and trimmable as far as whole pages of it go', async () => {
  const result = (await runNode(`
    require('node:v8').setFlagsFromString('--expose-gc')
    const gc = require('node:vm').runInNewContext('gc')
    const { ledger } = require(${JSON.stringify(`${DIST}/readings/ledger`)})
    async function main() {
      let burst = []
      for (let i = 0; i < 20000; i++) burst.push(Buffer.alloc(3000 + (i % 7) * 1000, 1))
      const kept = burst.filter((_, i) => i % 100 === 0)
      burst = null
      gc(); gc()
      await new Promise((resolve) => setTimeout(resolve, 200))
      const { owners, trimmable, allocator } = await ledger()
      console.log(JSON.stringify({ free: owners['malloc-free'], trimmable, buffers: owners['array-buffers'], kept: kept.length, arenas: allocator.arenas }))
      process.exit(0)
    }
    main()`)) as Record<string, number>
  assert.ok(result.free! > 60 * MiB, JSON.stringify(result))
  assert.ok(result.trimmable! > 0.8 * result.free!, JSON.stringify(result))
})

// Of a program that brings its Node along nothing in the name of its file tells.
test('a Node whose file has another name knows its own objects for js-heap', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'my-service')
  copyFileSync(process.execPath, program, constants.COPYFILE_FICLONE)
  const script = `
    const { ledger } = require(${JSON.stringify(`${DIST}/readings/ledger`)})
    globalThis.objects = Array.from({ length: 5e5 }, (_, i) => ({ i, next: { i } }))
    ledger().then(({ owners }) => console.log(owners['js-heap']))`
  const { stdout, stderr } = spawnSync(program, ['--eval', script], { encoding: 'utf8' })
  assert.ok(Number(stdout) > 20 * MiB, `${stdout}${stderr}`)
})

test('a light reading carries on what a whole one found, and takes what came since for live', async () => {
  const whole = await takeReading()
  assert.equal(whole.carried, undefined)
  const kept = Buffer.alloc(40 * MiB, 1)
  const { reading } = await takeLightReading(whole)
  assert.deepEqual(reading.carried, ['malloc-free', 'malloc', 'array-buffers', 'mmap'])
  assert.equal(reading.allocator, undefined)
  assert.equal(
    Object.values(reading.owners).reduce((sum, bytes) => sum + bytes, 0),
    reading.rss,
  )
  assert.equal(reading.owners['malloc-free'], whole.owners['malloc-free'])
  assert.ok(Math.abs(reading.owners.malloc! - whole.owners.malloc! - kept.length) < 4 * MiB)
  for (const owner of reading.carried!) assert.ok(reading.owners[owner]! >= 0, owner)
})

/** Threads whose arenas grow all the time, each by 2 MiB a second. */
const GROWING = `
import threading, time
def grow():
    kept = []
    while True:
        kept.append([bytes(3000) for _ in range(14)])
        time.sleep(0.02)
for _ in range(4):
    threading.Thread(target=grow, daemon=True).start()
time.sleep(1)
print('ready', flush=True)
time.sleep(60)
`

test('heaps that grow while they are walked stay malloc’s', {
  skip: spawnSync('python3', ['--version']).status !== 0 && 'needs python3',
}, async (t) => {
  const subject = await start(t, 'python3', ['-c', GROWING])
  const first = (await ledger({ pid: subject.pid })).owners
  for (let i = 0; i < 60; i++) {
    const { owners, rss, unexplained } = await ledger({ pid: subject.pid })
    assert.ok(owners.mmap! <= first.mmap! + 2 * MiB, `look ${i}: mmap ${owners.mmap}, at first ${first.mmap}`)
    assert.ok(owners.malloc! >= first.malloc!, `look ${i}: malloc ${owners.malloc}, at first ${first.malloc}`)
    assert.ok(Math.abs(unexplained) <= Math.max(MiB, 0.02 * rss), `look ${i}: ${unexplained} of ${rss}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
