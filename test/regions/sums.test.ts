import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { binding } from '#dist/binding'
import { regions } from '#dist/regions/measurement'
import { region, regionLines } from '#dist/regions/region'
import type { RegionRow } from '#dist/regions/report'
import { fakeReadings, grow } from './fake-process.js'

before(() => {
  fakeReadings()
  region.budget(1)
})

function row(name: string): RegionRow {
  return region.report().rows.find((candidate) => candidate.name === name)!
}

function rss(name: string): { total: number; self: number } {
  const { total, self } = row(name)
  return { total: total.rss, self: self.rss }
}

test('total has the regions inside, self has not', () => {
  region('outer', () => {
    grow(1)
    region('middle', () => {
      grow(10)
      region('inner', () => grow(100))
      region('inner', () => grow(1000))
    })
    region('inner', () => grow(10_000))
  })
  assert.deepEqual(rss('outer'), { total: 11_111, self: 1 })
  assert.deepEqual(rss('middle'), { total: 1110, self: 10 })
  assert.deepEqual(rss('inner'), { total: 11_100, self: 11_100 })
  assert.equal(row('outer').total.anon, 11_111)
})

test('a region inside itself is in its total once', () => {
  const recursive = region.wrap('recursive', (depth: number): void => {
    grow(10)
    if (depth > 1) recursive(depth - 1)
  })
  recursive(5)
  assert.deepEqual(rss('recursive'), { total: 50, self: 50 })
  assert.equal(row('recursive').calls, 5)
})

test('a region inside itself does not make its own standard error larger', () => {
  const recursive = region.wrap('sampled recursion', (depth: number): void => {
    grow(10)
    if (depth > 1) recursive(depth - 1)
  })
  for (let i = 0; i < 100; i++) {
    regions.find('sampled recursion').chance = 0.5
    recursive(5)
  }
  const { total, totalError, self, selfError } = row('sampled recursion')
  assert.ok(totalError.rss > 0)
  assert.equal(self.rss, total.rss)
  assert.equal(selfError.rss, totalError.rss)
})

test('regions that call each other are each in their total once', () => {
  const ping = region.wrap('ping', (n: number): void => {
    grow(1)
    if (n > 0) pong(n - 1)
  })
  const pong = region.wrap('pong', (n: number): void => {
    grow(100)
    if (n > 0) ping(n - 1)
  })
  ping(3)
  assert.deepEqual(rss('ping'), { total: 202, self: 2 })
  assert.deepEqual(rss('pong'), { total: 201, self: 200 })
})

test('memory that is given back counts against what was taken, and the peak keeps the highest', () => {
  region('spike', () => {
    grow(5000)
    grow(-4000)
  })
  const { total, peakRise, peakRss } = row('spike')
  assert.equal(total.rss, 1000)
  assert.equal(peakRise, 5000)
  assert.ok(peakRss > 2 ** 30)
})

test('what grew in a region that threw is still its own', () => {
  assert.throws(() =>
    region('throwing', () => {
      grow(7)
      throw new Error('no')
    }),
  )
  assert.equal(rss('throwing').total, 7)
})

test('handles nest, may be left twice, and end with `using`', () => {
  {
    using _outer = region.enter('handle')
    grow(1)
    const inner = region.enter('inner handle')
    grow(10)
    inner.leave()
    inner.leave()
    grow(100)
  }
  assert.deepEqual(rss('handle'), { total: 111, self: 101 })
  assert.equal(row('inner handle').calls, 1)
  assert.equal(row('handle').overlapped, 0)
})

test('a handle left before one that was entered later: both are marked, neither stays current', () => {
  const first = region.enter('first')
  const second = region.enter('second')
  const current = binding.currentRegion()
  first.leave()
  assert.equal(binding.currentRegion(), current, 'the later one goes on')
  second.leave()
  assert.equal(binding.currentRegion(), 0)
  assert.equal(row('first').overlapped, 1)
  assert.equal(row('second').overlapped, 1)
})

test('a handle may outlive the region in which it was entered', () => {
  const handle = region('returns early', () => region.enter('outlives'))
  assert.notEqual(binding.currentRegion(), 0)
  handle.leave()
  assert.equal(binding.currentRegion(), 0)
})

test('an async region alone is not overlapped, with regions inside its synchronous part or not', async () => {
  for (let i = 0; i < 2; i++) {
    await region('alone', async () => {
      region('inside', () => grow(1))
      await null
      grow(10)
    })
  }
  assert.deepEqual(rss('alone'), { total: 22, self: 20 })
  assert.equal(row('alone').overlapped, 0)
  assert.equal(row('inside').overlapped, 0)
})

test('two async regions open at once are both overlapped', async () => {
  const wait = async () => {
    await null
    grow(1)
    await null
  }
  await Promise.all([region('one', wait), region('two', wait)])
  assert.equal(row('one').overlapped, 1)
  assert.equal(row('two').overlapped, 1)
})

test('an async region is overlapped by one that was entered before it and is not measured', async () => {
  region.budget(1e-9)
  // The first call after a change of budget may be measured; the second will not be.
  for (let i = 0; i < 1000; i++) await region('unmeasured', async () => {})
  let end = () => {}
  const earlier = region('unmeasured', () => {
    return new Promise<void>((resolve) => {
      end = resolve
    })
  })
  await region('amid', async () => {
    await null
  })
  end()
  await earlier
  region.budget(1)
  assert.equal(row('amid').measured, 1)
  assert.equal(row('amid').overlapped, 1)
})

test('a synchronous region during the wait of an async one: the async one is overlapped, the other is not', async () => {
  const waiting = region('waiting', async () => {
    await null
    await null
  })
  region('meanwhile', () => grow(5))
  await waiting
  assert.equal(row('waiting').overlapped, 1)
  assert.equal(row('meanwhile').overlapped, 0)
})

test('a region is measured in its first call, however small the budget', () => {
  region.budget(1e-9)
  for (let i = 0; i < 50; i++) region(`new ${i}`, () => grow(1))
  region.budget(1)
  for (let i = 0; i < 50; i++) assert.deepEqual(rss(`new ${i}`), { total: 1, self: 1 })
})

test('timeline lines carry the totals', () => {
  region('lined', () => grow(42))
  const { calls, measured, rss, anon } = regionLines()!.lined!
  assert.deepEqual({ calls, measured, rss, anon }, { calls: 1, measured: 1, rss: 42, anon: 42 })
})

test('the report is ordered by own growth and says what was overlapped', () => {
  region('biggest', () => grow(2 ** 30))
  const report = region.report()
  assert.equal(report.rows[0]!.name, 'biggest')
  const text = report.toText()
  assert.match(text, /^region +calls +measured/)
  assert.match(text, /\nbiggest +1 +1 .*\+1 GiB/)
  assert.match(text, /overlapped: measured calls during which other regions ran/)
  assert.match(text, /Measuring took .* % of wall time; the budget is 100 %/)
})
