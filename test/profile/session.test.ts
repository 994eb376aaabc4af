import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { profile, region, status } from 'tidemark'
import { startProfile } from '#dist/profile/session'

const MIB = 1 << 20

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A loop, so that it is this function that allocates. */
function keepBuffers(count: number, bytes: number): Buffer[] {
  const kept: Buffer[] = []
  for (let i = 0; i < count; i++) kept.push(Buffer.alloc(bytes))
  return kept
}

function start(t: TestContext, options: Parameters<typeof startProfile>[0]) {
  const session = startProfile({ jsHeap: false, ...options })
  t.after(() => session.stop())
  return session
}

test('a profile names the function that allocated, what lives and what was allocated', async (t) => {
  const session = start(t, { intervalBytes: 4096 })
  const kept = keepBuffers(64, 100_003)
  for (let i = 0; i < 64; i++) Buffer.alloc(100_003)
  const taken = await session.snapshot()
  await session.stop()
  const row = taken.top(50, { by: 'function' }).find((r) => r.function === 'keepBuffers')
  assert.ok(row, 'keepBuffers is among the functions')
  assert.match(row.file, /session\.test\.[jt]s$/)
  const truth = kept.length * 100_003
  assert.ok(Math.abs(row.value - truth) <= 5 * row.standardError + 0.01 * truth, `${row.value} of ${truth}`)
  assert.equal(row.owner, 'array-buffers')
  assert.equal(row.thread, 'main')
})

test('freed blocks leave what lives, and stay in what was allocated', async (t) => {
  const session = start(t, { intervalBytes: 1 })
  let kept: Buffer[] | null = keepBuffers(8, 1_000_003)
  const before = (await session.snapshot()).total('live-bytes').value
  kept = null
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const after = await session.stop()
  assert.equal(kept, null)
  assert.ok(before - after.total('live-bytes').value > 7 * 1_000_003)
  assert.ok(after.total('allocated-bytes').value >= 8 * 1_000_003)
})

test('nothing is patched before a session, nor after it', async (t) => {
  assert.equal(status().profiler.running, false)
  assert.equal(status().profiler.slots, 0)
  const session = start(t, {})
  const { running, slots, objects, provider, stacks } = status().profiler
  assert.equal(running, true)
  assert.ok(slots >= 10, `${slots} slots`)
  assert.ok(objects >= 2)
  assert.match(provider, /libc|ld-musl|malloc/)
  assert.equal(stacks, 'native and JavaScript')
  await session.stop()
  assert.equal(status().profiler.slots, 0)
})

test('a second session is refused while one runs, with what to do', async (t) => {
  const session = start(t, {})
  assert.throws(() => profile.start(), { code: 'ERR_TIDEMARK_PROFILE_RUNNING' })
  await session.stop()
  await assert.rejects(session.snapshot(), { code: 'ERR_TIDEMARK_PROFILE_STOPPED' })
  assert.equal(await session.stop(), await session.stop())
})

test('the JS heap is sampled four times as finely as native memory unless told otherwise', async (t) => {
  const session = start(t, { intervalBytes: 1 << 20, jsHeap: true })
  const { columns } = await session.stop()
  assert.ok(Math.abs(columns.jsIntervalBytes / 2 ** 18 - 1) < 0.05, String(columns.jsIntervalBytes))
})

test('intervals that are no number of bytes in range are refused', () => {
  for (const intervalBytes of [0, -1, 4095, 1.5, Number.NaN, 2 ** 31, '64KiB' as unknown as number]) {
    assert.throws(() => profile.start({ intervalBytes }), { code: 'ERR_TIDEMARK_ARGUMENT' })
  }
  assert.equal(status().profiler.running, false)
})

test('the interval can be changed while sampling, and what lives stays unbiased', async (t) => {
  const session = start(t, { intervalBytes: 4096 })
  const first = keepBuffers(2000, 5003)
  session.setInterval(65536)
  const second = keepBuffers(2000, 5003)
  const row = (await session.stop()).top(50, { by: 'function' }).find((r) => r.function === 'keepBuffers')!
  const truth = (first.length + second.length) * 5003
  // 5 sigma of the estimate's own standard error.
  assert.ok(Math.abs(row.value - truth) <= 5 * row.standardError, `${row.value} ± ${row.standardError} of ${truth}`)
})

test('samples carry the region that was current, and region.report() sums them', async (t) => {
  const session = start(t, { intervalBytes: 4096 })
  const kept = region('session-test-kept', () => keepBuffers(32, 200_003))
  region('session-test-dropped', () => void Buffer.alloc(10))
  const row = region.report().rows.find(({ name }) => name === 'session-test-kept')!
  const taken = await session.stop()
  const truth = kept.length * 200_003
  assert.ok(Math.abs(row.liveBytes - truth) <= 5 * row.liveBytesError + 0.02 * truth, `${row.liveBytes} of ${truth}`)
  assert.ok(row.allocatedBytes >= row.liveBytes - 1)
  const byRegion = taken.top(10, { by: 'region' }).find((r) => r.region === 'session-test-kept')!
  assert.ok(Math.abs(byRegion.value - truth) <= 5 * byRegion.standardError + 0.02 * truth)
  const gone = region.report().rows.find(({ name }) => name === 'session-test-kept')!
  assert.ok(Number.isNaN(gone.liveBytes), 'no profile is running')
})

test('what a worker allocates is named by its own functions and thread', async (t) => {
  const session = start(t, { intervalBytes: 4096 })
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     require('tidemark')
     require(${JSON.stringify(require.resolve('#dist/profile/code-names'))}).listenToCode('always')
     function keepInWorker() { const all = []; for (let i = 0; i < 32; i++) all.push(Buffer.alloc(200003)); return all }
     const kept = keepInWorker()
     parentPort.postMessage('ready')
     parentPort.once('message', () => { kept.length; process.exit() })`,
    { eval: true },
  )
  await new Promise((resolve) => worker.once('message', resolve))
  const taken = await session.snapshot()
  worker.postMessage('end')
  await new Promise((resolve) => worker.once('exit', resolve))
  await session.stop()
  const row = taken.top(50, { by: 'function' }).find((r) => r.function === 'keepInWorker')!
  assert.ok(row, 'the function of the worker is named')
  assert.match(row.thread, /^worker \d+$/)
  assert.ok(row.value > 4 * MIB)
})

test('await using ends the session', async () => {
  {
    await using session = profile.start({ jsHeap: false })
    assert.equal(status().profiler.running, true)
    await session.snapshot()
  }
  assert.equal(status().profiler.running, false)
})

test('stacks that are deeper than what is kept are counted, from their leaf on', async (t) => {
  function deep(depth: number): Buffer {
    return depth === 0 ? Buffer.alloc(1_000_003) : deep(depth - 1)
  }
  const session = start(t, { intervalBytes: 4096 })
  assert.equal(status().profiler.truncated, 0)
  const kept = deep(400)
  const row = (await session.stop()).top(50, { by: 'function' }).find((r) => r.function === 'deep')
  assert.ok(row && row.value >= kept.length)
  // Of the 128, code without a name is left out.
  assert.ok(row.stack.length > 100 && row.stack.length <= 128, `${row.stack.length} frames`)
  assert.ok(status().profiler.truncated >= 1)
})

/** Allocates, and keeps nothing. */
function dropBuffers(count: number, bytes: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += Buffer.alloc(bytes).length
  return sum
}

test('what lives alone is what the whole snapshot says of it, without the stacks of which nothing lives', async (t) => {
  const session = start(t, { intervalBytes: 4096 })
  const kept = keepBuffers(64, 100_003)
  dropBuffers(64, 100_003)
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const whole = await session.snapshot()
  const live = await session.snapshot({ onlyLive: true })
  const rows = (snapshot: typeof whole, value: 'live-bytes' | 'allocated-bytes') =>
    new Map(snapshot.top(200, { by: 'function', value }).map((row) => [row.function, row.value]))
  assert.equal(kept.length, 64)
  assert.equal(rows(live, 'live-bytes').get('keepBuffers'), rows(whole, 'live-bytes').get('keepBuffers'))
  assert.ok(rows(whole, 'allocated-bytes').has('dropBuffers'))
  assert.ok(!rows(live, 'allocated-bytes').has('dropBuffers'))
  assert.ok(live.columns.frames.length < whole.columns.frames.length)
  assert.ok(live.columns.live.samples.every((samples) => samples > 0))
})

test('a snapshot is given again as long as it would say the same', async (t) => {
  // So long an interval that what tidemark itself keeps is no sample, and blocks so large that each of them is one.
  const session = start(t, { intervalBytes: 64 * MIB })
  const old = 3000
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const taken = await session.snapshot({ onlyLive: true })
  const again = (since: typeof taken) => session.snapshot({ jsHeap: false, onlyLive: true, since })
  assert.equal(await again(taken), taken)
  assert.notEqual(await session.snapshot({ jsHeap: false, onlyLive: true }), taken, 'it is not asked for')
  assert.notEqual(await session.snapshot({ jsHeap: false, since: taken }), taken, 'all is asked for')
  assert.notEqual(
    await session.snapshot({ jsHeap: true, onlyLive: true, since: taken }),
    taken,
    'the JS heap is asked for',
  )

  let kept: Buffer[] | null = keepBuffers(4, 400 * MIB)
  await wait(old)
  const grown = await again(taken)
  assert.notEqual(grown, taken)
  assert.ok(grown.columns.old.bytes.reduce((sum, bytes) => sum + bytes) > 1000 * MIB)
  assert.equal(await again(grown), grown)

  kept = null
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(kept, null)
  assert.notEqual(await again(grown), grown)

  const whole = await session.snapshot({ jsHeap: false })
  const wholeAgain = () => session.snapshot({ jsHeap: false, since: whole })
  assert.equal(await wholeAgain(), whole)
  dropBuffers(100, 400 * MIB)
  assert.notEqual(await wholeAgain(), whole, 'allocated and freed')
})
