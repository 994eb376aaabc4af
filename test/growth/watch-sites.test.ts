import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Reading, type TidemarkError, watch } from 'tidemark'
import { syntheticProfile } from '../profile/synthetic.js'

// A watch does not keep the process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const columns = syntheticProfile({ seed: 1, traces: 10, frames: 20, depth: 4 })

test('a watch that is given a profile has its sites in the reading after each snapshot', {
  timeout: 30_000,
}, async () => {
  let snapshots = 0
  const snapshot = async () => {
    snapshots++
    return { columns }
  }
  using watching = watch({ intervalMs: 50, profile: { snapshot, jsHeapMs: 0 } })
  const readings: Reading[] = []
  for await (const reading of watching) {
    readings.push(reading)
    if (snapshots === 2 && reading.sites) break
  }
  const told = readings.filter(({ sites }) => sites)
  assert.equal(told.length, 2)
  assert.ok(told[0]!.sites!.length > 0)
  assert.deepEqual(
    told.map(({ siteDefs }) => siteDefs!.length),
    [told[0]!.sites!.length, 0],
  )
  watching.stop()
})

test('a snapshot that fails is an error of the watch, which goes on', { timeout: 30_000 }, async () => {
  const snapshot = () => Promise.reject(new Error('no'))
  using watching = watch({ intervalMs: 50, profile: { snapshot, jsHeapMs: 0 } })
  const error = await new Promise<TidemarkError>((resolve) => watching.on('error', resolve))
  assert.match(error.message, /a snapshot of the profile failed: Error: no/)
  await new Promise((resolve) => watching.on('reading', resolve))
})

test('a profile of this process says nothing of another one', () => {
  assert.throws(() => watch({ pid: 1, profile: { snapshot: async () => ({ columns }), jsHeapMs: 0 } }), {
    code: 'ERR_TIDEMARK_ARGUMENT',
  })
})
