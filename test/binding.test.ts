/** The seam itself: what native code writes is where TypeScript looks for it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addonProblem, binding, out, regionWord } from '#dist/binding'
import { fallbackBinding } from '#dist/fallback'
import { OWNERS } from '#dist/owners'
import { ARENA_CELLS, type Binding, GROWTH_CELLS, LEDGER, OUT, RESIDENCY_SOURCES, SMAPS_CELLS } from '#dist/seam'

test('the addon is loaded', () => {
  assert.equal(addonProblem, null)
})

test('the fallback has every function that the addon has', () => {
  const fallback = fallbackBinding(new Float64Array(OUT.length))
  for (const name of Object.keys(fallback)) assert.equal(typeof binding[name as keyof Binding], 'function', name)
  for (const name of Object.keys(binding)) assert.equal(typeof fallback[name as keyof Binding], 'function', name)
})

test('each hot reading writes its own slots, clears the error, and leaves the others alone', () => {
  const slots: [() => void, number, number][] = [
    [binding.readUsage, OUT.rss, OUT.file],
    [binding.readRusageSelf, OUT.userCpuMs, OUT.involuntarySwitches],
    [binding.readRusageThread, OUT.userCpuMs, OUT.involuntarySwitches],
    [binding.readRusageChildren, OUT.userCpuMs, OUT.involuntarySwitches],
    [binding.readRegionEdge, OUT.rss, OUT.involuntarySwitches],
    [binding.readMalloc, OUT.mallocInUse, OUT.mallocMapped],
    [binding.readExternal, OUT.external, OUT.external],
    [binding.readMajorGcs, OUT.majorGcs, OUT.usedAfterMajorGc],
  ]
  for (const [read, first, last] of slots) {
    out.fill(-1)
    assert.equal(read(), undefined)
    assert.equal(out[OUT.errno], 0)
    for (let slot = 1; slot < OUT.length; slot++) {
      const written = slot >= first && slot <= last
      assert.equal(out[slot] !== -1, written, `slot ${slot} of ${read.name}`)
    }
  }
})

test('the region that native code sees is the word that was handed over', () => {
  regionWord[0] = 41
  assert.equal(binding.currentRegion(), 41)
  regionWord[0] = 0
  assert.equal(binding.currentRegion(), 0)
})

test('arrays that would be written beyond their end are refused, and the shared ones stay', () => {
  const share = binding.share as (...args: unknown[]) => void
  const region = new Int32Array(1)
  for (const args of [
    [],
    [new Float64Array(OUT.length)],
    [new Float64Array(OUT.length - 1), region],
    [new Float32Array(OUT.length), region],
    [new Float64Array(OUT.length), new Int32Array(0)],
    [new Float64Array(OUT.length), new Uint32Array(1)],
    [{}, {}],
    [new ArrayBuffer(1000), region],
  ]) {
    assert.throws(() => share(...args), TypeError)
  }
  out[OUT.rss] = -1
  binding.readUsage()
  assert.ok(out[OUT.rss]! > 0)
})

test('tables have the shape that their columns say', async () => {
  const smaps = await binding.readSmaps(0)
  assert.equal(smaps.cells.length, smaps.rows * SMAPS_CELLS.length)
  const growth = await binding.readGrowth(0)
  assert.equal(growth.cells.length, growth.rows * GROWTH_CELLS.length)
  for (const [table, cells] of [
    [smaps, SMAPS_CELLS],
    [growth, GROWTH_CELLS],
  ] as const) {
    const columns: readonly string[] = cells
    for (let r = 0; r < table.rows; r++) {
      const cell = (name: string) => table.cells[r * columns.length + columns.indexOf(name)]!
      assert.ok(cell('start') < cell('end'))
      assert.equal(typeof table.names[cell('name')], 'string')
      assert.ok(cell('perms') >= 0 && cell('perms') < 16)
      assert.equal(typeof OWNERS[cell('owner')], 'string')
      if (table.flags !== undefined) assert.match(table.flags[cell('flags')]!, /^[a-z]{2}( [a-z]{2})*$/)
    }
  }
})

test('a ledger has its numbers and then an owner each, and rows of arenas where it walked', async () => {
  for (const read of [binding.readLedger, binding.readLightLedger]) {
    const { cells, arenas } = await read(0)
    assert.equal(cells.length, LEDGER.owners + OWNERS.length)
    assert.equal(RESIDENCY_SOURCES[cells[LEDGER.source]!], 'mincore')
    const owners = cells.subarray(LEDGER.owners).reduce((a, b) => a + b, 0)
    assert.equal(owners, cells[LEDGER.rss])
    assert.equal(arenas.length % ARENA_CELLS.length, 0)
    assert.equal(arenas.length > 0, cells[LEDGER.walked] === 1)
  }
})

test('what fails natively rejects with the errno, the file and the line', async () => {
  for (const read of [binding.readSmaps, binding.readGrowth, binding.readLedger, binding.readLightLedger]) {
    await assert.rejects(
      async () => read(0x7fffffff),
      (failure: { errno: number; what: string; line: number }) => {
        assert.equal(failure.errno, 2)
        assert.match(failure.what, /^\/proc\/2147483647\/(smaps|maps|statm)$/)
        assert.equal(failure.line, 0)
        return true
      },
    )
  }
})
