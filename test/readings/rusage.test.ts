import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { rusage, usage } from 'tidemark'

const MiB = 2 ** 20

/** Seconds of CPU are counted in ticks of up to 10 ms; so long a loop is many of them on any machine. */
function burn(): number {
  let x = 0
  const { userCpuMs } = rusage('self')
  while (rusage('self').userCpuMs - userCpuMs < 50) for (let i = 0; i < 1e5; i++) x = (x * 31 + i) | 0
  return x
}

test('CPU of the process and of this thread grows with work', () => {
  const self = rusage()
  const thread = rusage('thread')
  burn()
  assert.ok(rusage().userCpuMs - self.userCpuMs >= 50)
  assert.ok(rusage('thread').userCpuMs > thread.userCpuMs)
})

test('touching new memory is counted in faults, and the peak stays when it is gone', () => {
  const before = rusage()
  let buffer: Buffer | null = Buffer.alloc(64 * MiB, 1)
  const after = rusage()
  // One fault a page of 4 KiB, or one for each huge page of 2 MiB.
  assert.ok(after.minorFaults - before.minorFaults >= buffer.length / (2 * MiB))
  assert.ok(after.peakRss >= usage().rss - 8 * MiB)
  buffer = null
  assert.ok(rusage().peakRss >= after.peakRss)
})

test('children is what ended children have cost: moved into a child, a leak shows here and not in rss', () => {
  const before = rusage('children')
  const script =
    'globalThis.b = Buffer.alloc(150 * 2 ** 20, 1); for (let x = 0, i = 0; i < 5e8; i++) x = (x * 31 + i) | 0'
  const { status } = spawnSync(process.execPath, ['--eval', script])
  assert.equal(status, 0)
  const after = rusage('children')
  assert.ok(after.peakRss > 150 * MiB, `a peak of ${after.peakRss}`)
  assert.ok(after.userCpuMs > before.userCpuMs)
  assert.ok(after.minorFaults > before.minorFaults)
})

test('anything else is refused, names of Object.prototype too', () => {
  for (const who of ['everyone', 'toString', '__proto__', 1, null]) {
    assert.throws(() => rusage(who as 'self'), {
      code: 'ERR_TIDEMARK_ARGUMENT',
      message: /'self', 'thread' or 'children'/,
    })
  }
})
