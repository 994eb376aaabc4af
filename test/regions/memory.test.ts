import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { binding } from '#dist/binding'
import { regionIds, setRegionMemory } from '#dist/regions/memory'
import { region } from '#dist/regions/region'

const MIB = 2 ** 20
const row = (name: string) => region.report().rows.find((candidate) => candidate.name === name)!

afterEach(() => setRegionMemory(null))

test('without a profile the sampled memory of a region is not known, and has no column', () => {
  region('quiet', () => {})
  for (const key of ['allocatedBytes', 'liveBytes', 'allocatedBytesError', 'liveBytesError'] as const) {
    assert.ok(Number.isNaN(row('quiet')[key]), key)
  }
  assert.doesNotMatch(region.report().toText(), /allocated|live/)
})

test('while a profile runs a row has what was allocated and what of it lives, with its error; where nothing was sampled, 0', () => {
  region('busy', () => {})
  region('idle', () => {})
  const memory = { allocated: 64 * MIB, live: 16 * MIB, allocatedError: 4 * MIB, liveError: 2 * MIB }
  setRegionMemory(() => new Map([['busy', memory]]))
  const { allocatedBytes, liveBytes, allocatedBytesError, liveBytesError } = row('busy')
  assert.deepEqual(
    { allocated: allocatedBytes, live: liveBytes, allocatedError: allocatedBytesError, liveError: liveBytesError },
    memory,
  )
  assert.equal(row('idle').allocatedBytes, 0)
  assert.equal(row('idle').liveBytesError, 0)
  const text = region.report().toText()
  assert.match(text, /overlapped +allocated +live\n/)
  assert.match(text, /busy .*\+64 MiB ±4 MiB +\+16 MiB ±2 MiB\n/)
  assert.match(text, /idle .* 0 B +0 B\n/)
})

test('the ids are those that native code sees', () => {
  let seen = 0
  region('seen from below', () => {
    seen = binding.currentRegion()
  })
  const { names, kinds } = regionIds()
  assert.equal(names[0], '')
  assert.equal(names[seen], 'seen from below')
  assert.equal(kinds.length, names.length)
})

test('a region is declared a cache once, by any of its calls, and stays one', () => {
  const kind = (name: string) => row(name).kind
  region('plain', () => {}, {})
  assert.equal(kind('plain'), '')
  assert.equal(
    region('by call', () => 5, { kind: 'cache' }),
    5,
  )
  region.enter('by handle', { kind: 'cache' }).leave()
  assert.equal(region.wrap('by wrapping', (x: number) => x + 1, { kind: 'cache' })(1), 2)
  for (const name of ['by call', 'by handle', 'by wrapping']) {
    region(name, () => {})
    assert.equal(kind(name), 'cache', name)
    const { names, kinds } = regionIds()
    assert.equal(kinds[names.indexOf(name)], 'cache')
  }
})

test('another kind is an error that says what may be given', () => {
  for (const declare of [
    () => region('odd', () => {}, { kind: 'Cache' as never }),
    () => region.enter('odd', { kind: '' as never }),
    () => region.wrap('odd', () => {}, { kind: 1 as never }),
  ]) {
    assert.throws(declare, { code: 'ERR_TIDEMARK_ARGUMENT', message: /kind is 'cache' or left out/ })
  }
})
