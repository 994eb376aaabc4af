/** How a reading without a walk divides malloc's memory: as an earlier one did, which is made up here to say what has changed since. */

import assert from 'node:assert/strict'
import { createSecretKey, type KeyObject } from 'node:crypto'
import { before, test } from 'node:test'
import type { Reading } from 'tidemark'
import { takeLightReading, takeReading } from '#dist/readings/take-reading'

const MiB = 2 ** 20
/** What is counted in here: the process itself takes a MiB now and then, as it compiles what runs. */
const UNIT = 4 * MiB
const DIVIDED = ['malloc-free', 'malloc', 'array-buffers', 'mmap'] as const

let secret: Buffer
/** Copies in malloc's memory, of which V8 knows nothing: 256 MiB to divide. */
let keys: KeyObject[]
before(() => {
  secret = Buffer.alloc(32 * MiB, 1)
  keys = Array.from({ length: 8 }, () => createSecretKey(secret))
})

/** Of the ArrayBuffers that V8 counts more than this is touched, or less. */
const [TOUCHED, UNTOUCHED] = [30, 2]

/**
 * By how many units each owner has grown in a light reading, where the walk before had found 10 of them free and 5 of blocks,
 * since when all of malloc's memory has grown by `pool`, and by V8's count ArrayBuffers by `counted`.
 */
async function growth(pool: number, counted: number, buffers = TOUCHED) {
  const whole: Reading = await takeReading()
  const held = DIVIDED.reduce((total, owner) => total + whole.owners[owner]!, 0) - pool * UNIT
  const found = { 'malloc-free': 10 * UNIT, malloc: 5 * UNIT, 'array-buffers': buffers * UNIT }
  const owners = { ...whole.owners, ...found, mmap: held - (15 + buffers) * UNIT }
  const heap = { ...whole.heap!, arrayBuffers: whole.heap!.arrayBuffers - counted * UNIT }
  const { reading } = await takeLightReading({ ...whole, owners, heap })
  assert.equal(
    Object.values(reading.owners).reduce((total, bytes) => total + bytes, 0),
    reading.rss,
  )
  for (const owner of DIVIDED) assert.ok(reading.owners[owner]! >= 0, owner)
  assert.equal(keys.length * secret.length, 256 * MiB)
  const grown = DIVIDED.map((owner) => [owner, Math.round((reading.owners[owner]! - owners[owner]!) / UNIT)] as const)
  return { carried: reading.carried, grown: Object.fromEntries(grown.filter(([, by]) => by !== 0)) }
}

test('what came since the walk is live, not free', async () => {
  assert.deepEqual((await growth(10, 0)).grown, { malloc: 10 })
  assert.deepEqual((await growth(10, 4)).grown, { malloc: 6, 'array-buffers': 4 })
  assert.deepEqual((await growth(10, 0, UNTOUCHED)).grown, { malloc: 10 })
})

test('what ArrayBuffers gave back is free, as far as it is still there', async () => {
  assert.deepEqual((await growth(0, -10)).grown, { 'malloc-free': 10, 'array-buffers': -10 })
  assert.deepEqual((await growth(-4, -10)).grown, { 'malloc-free': 6, 'array-buffers': -10 })
  assert.deepEqual((await growth(3, -10)).grown, { 'malloc-free': 10, malloc: 3, 'array-buffers': -10 })
})

test('what went, or became ArrayBuffers, was free first, then blocks, then mapped', async () => {
  assert.deepEqual((await growth(-7, 0)).grown, { 'malloc-free': -7 })
  assert.deepEqual((await growth(-7, 0, UNTOUCHED)).grown, { 'malloc-free': -7 })
  assert.deepEqual((await growth(-20, 0)).grown, { 'malloc-free': -10, malloc: -5, mmap: -5 })
  assert.deepEqual((await growth(0, 7)).grown, { 'malloc-free': -7, 'array-buffers': 7 })
})

test('ArrayBuffers are followed by V8’s count of them where all of it was touched, and carried where not', async () => {
  assert.deepEqual((await growth(0, 0)).carried, ['malloc-free', 'malloc', 'mmap'])
  const { carried, grown } = await growth(0, 4, UNTOUCHED)
  assert.deepEqual(carried, DIVIDED)
  assert.deepEqual(grown, {})
})
