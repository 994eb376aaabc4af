import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mappings, usage } from 'tidemark'

const MiB = 2 ** 20
const keep: unknown[] = []
Object.assign(globalThis, { keepForUsageTest: keep })

/**
 * What may differ between two readings of a running test: V8 commits and frees heap in pages of 256 KiB, a collection may
 * come between, and the kernel keeps a batch of 64 pages or so a CPU out of its sums.
 */
const MOVES = 8 * MiB

test('rss is the sum of what has a file behind it and what has none', () => {
  const { rss, anon, file } = usage()
  assert.equal(rss, anon + file)
  assert.ok(anon > 5 * MiB && file > 5 * MiB, `${anon} anonymous, ${file} of files`)
})

test('a touched 64 MiB buffer appears as anonymous growth, an untouched one does not', () => {
  const before = usage()
  const buffer = Buffer.alloc(64 * MiB)
  keep.push(buffer)
  const allocated = usage()
  buffer.fill(1)
  const touched = usage()
  assert.ok(
    Math.abs(allocated.anon - before.anon) < MOVES,
    `${allocated.anon - before.anon} bytes from an untouched one`,
  )
  assert.ok(Math.abs(touched.anon - allocated.anon - 64 * MiB) < MOVES, `${touched.anon - allocated.anon} bytes`)
  assert.ok(Math.abs(touched.file - before.file) < MOVES)
})

test('it equals the sum over all mappings', async () => {
  // The table's own memory (tens of KiB a thousand mappings) and V8 move meanwhile; measured before and after it.
  const before = usage()
  const { rss, anon } = (await mappings()).totals()
  const after = usage()
  const between = (value: number, a: number, b: number) =>
    value > Math.min(a, b) - MOVES && value < Math.max(a, b) + MOVES
  assert.ok(between(rss, before.rss, after.rss), `${rss} is not between ${before.rss} and ${after.rss}`)
  assert.ok(between(anon, before.anon, after.anon), `${anon} is not between ${before.anon} and ${after.anon}`)
})

test('each call gives its own numbers', () => {
  const first = usage()
  const copy = { ...first }
  keep.push(Buffer.alloc(16 * MiB, 1))
  const second = usage()
  assert.deepEqual(first, copy)
  assert.notEqual(second, first)
  assert.ok(second.anon > first.anon)
})
