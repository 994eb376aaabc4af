/** The package without its addon, as on a machine for which there is none. */

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { DIST, ROOT, runNode } from './processes.js'

let bare = ''

before(() => {
  bare = mkdtempSync(join(realpathSync(tmpdir()), 'tidemark-bare-'))
  cpSync(DIST, join(bare, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(bare, 'package.json'))
  mkdirSync(join(bare, 'node_modules'))
  symlinkSync(dirname(require.resolve('node-gyp-build/package.json')), join(bare, 'node_modules/node-gyp-build'))
})

after(() => rmSync(bare, { recursive: true, force: true }))

function run(script: string): Promise<unknown> {
  const library = join(bare, 'dist')
  return runNode(`
    const t = require(${JSON.stringify(library)})
    const { takeReading } = require(${JSON.stringify(join(library, 'readings/take-reading'))})
    async function main() { ${script} }
    main().then((result) => console.log(JSON.stringify(result)))`)
}

test('it imports, and status() says what is missing and why', async () => {
  const status = (await run('return t.status()')) as {
    addon: { loaded: boolean; problem: string }
    readings: Record<string, string>
  }
  assert.equal(status.addon.loaded, false)
  assert.match(status.addon.problem, /native addon could not be loaded: No native build was found for platform=linux/)
  assert.match(status.readings.mappings!, /not available: the native addon/)
  assert.match(status.readings.usage!, /process\.memoryUsage\.rss\(\)/)
})

test('usage, rusage and memory are Node’s own numbers, and what Node cannot know is no number', async () => {
  // JSON makes NaN null.
  const result = await run(
    'return { usage: t.usage(), self: t.rusage(), children: t.rusage("children"), memory: t.memory() }',
  )
  const { usage, self, children, memory } = result as Record<string, Record<string, number | null>>
  assert.ok(usage!.rss! > 2 ** 20)
  assert.deepEqual([usage!.anon, usage!.file], [null, null])
  assert.ok(self!.peakRss! > 2 ** 20 && self!.userCpuMs! > 0 && self!.minorFaults! > 0)
  assert.deepEqual([children!.peakRss, children!.userCpuMs], [null, null])
  assert.equal(memory!.malloc, null)
  assert.ok(memory!.external! > 0)
})

test('tables are refused with the reason', async () => {
  const codes = await run(`const codes = []
    for (const read of [() => t.mappings(), () => t.mappings({ pid: process.ppid }), () => takeReading({ pid: process.ppid })]) {
      await read().catch((error) => codes.push([error.code, error.message]))
    }
    return codes`)
  assert.equal((codes as string[][]).length, 3)
  for (const [code, message] of codes as [string, string][]) {
    assert.equal(code, 'ERR_TIDEMARK_UNSUPPORTED')
    assert.match(message, /native addon could not be loaded/)
  }
})

test('trim is refused with the reason', async () => {
  const refused = await run('return t.trim().catch(({ code, message }) => ({ code, message }))')
  const { code, message } = refused as { code: string; message: string }
  assert.equal(code, 'ERR_TIDEMARK_UNSUPPORTED')
  assert.match(message, /cannot be given back on request here: the native addon could not be loaded/)
})

test('a reading has the owners that Node knows, summing to rss', async () => {
  const reading = (await run('return takeReading()')) as { rss: number; owners: Record<string, number> }
  assert.equal(
    Object.values(reading.owners).reduce((a, b) => a + b, 0),
    reading.rss,
  )
  assert.ok(reading.owners['js-heap']! > 0)
  assert.equal(reading.owners.malloc, undefined)
})
