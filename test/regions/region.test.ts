import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { addonProblem, binding } from '#dist/binding'
import { region, regionLines } from '#dist/regions/region'
import type { RegionRow } from '#dist/regions/report'
import { height } from '#dist/regions/stack'

const MIB = 2 ** 20

function row(name: string): RegionRow {
  const found = region.report().rows.find((candidate) => candidate.name === name)
  assert.ok(found, `no row for ${name}`)
  return found
}

test('without regions there is nothing to report, and timeline lines have no `regions`', () => {
  assert.equal(regionLines(), undefined)
  assert.deepEqual(region.report().rows, [])
  assert.match(region.report().toText(), /No region was entered/)
})

test('64 MiB allocated and touched inside a region are its growth and not its sibling’s', () => {
  const kept: Buffer[] = []
  region('parent of both', () => {
    region('grows', () => kept.push(Buffer.alloc(64 * MIB).fill(1)))
    region('does not grow', () => kept.push(Buffer.alloc(16)))
  })
  assert.equal(kept[0]![64 * MIB - 1], 1)
  const grows = row('grows')
  const still = row('does not grow')
  const parent = row('parent of both')
  for (const owner of addonProblem === null ? (['rss', 'anon'] as const) : (['rss'] as const)) {
    assert.ok(Math.abs(grows.self[owner] - 64 * MIB) < 2 * MIB, `${owner} of the one: ${grows.self[owner]}`)
    assert.ok(Math.abs(still.self[owner]) < 2 * MIB, `${owner} of its sibling: ${still.self[owner]}`)
    assert.ok(Math.abs(parent.total[owner] - 64 * MIB) < 4 * MIB, `${owner} in the parent: ${parent.total[owner]}`)
    assert.ok(Math.abs(parent.self[owner]) < 2 * MIB, `${owner} of the parent itself: ${parent.self[owner]}`)
    assert.equal(grows.totalError[owner], 0, 'a first call is measured for certain')
  }
  assert.ok(grows.total.external >= 64 * MIB && grows.total.external < 65 * MIB)
  assert.ok(grows.peakRss >= 64 * MIB || addonProblem !== null)
  assert.ok(grows.total.minorFaults > 0 || addonProblem !== null)
  assert.equal(grows.overlapped, 0)
})

test('objects kept on the heap inside a region are its heap growth', () => {
  const kept: object[] = []
  region('keeps objects', () => {
    for (let i = 0; i < 100_000; i++) kept.push({ i })
  })
  assert.equal(kept.length, 100_000)
  const { total, heapMeasured } = row('keeps objects')
  assert.equal(heapMeasured, 1)
  assert.ok(total.heap > 2 * MIB, `heap: ${total.heap}`)
})

test('heap is read in the first 16 measured calls and in some of the later ones', () => {
  region.budget(1)
  for (let i = 0; i < 16; i++) region('close-ups', () => i)
  assert.equal(row('close-ups').heapMeasured, 16)
  for (let i = 0; i < 20_000; i++) region('close-ups', () => i)
  const { measured, heapMeasured } = row('close-ups')
  assert.equal(measured, 20_016)
  // Binomial(20,000, 1/128): mean 156, standard deviation 12.4; 6 of them.
  assert.ok(heapMeasured > 16 + 81 && heapMeasured < 16 + 231, `${heapMeasured}`)
})

test('what measuring itself allocates is not the region’s', () => {
  const perCall = Array.from({ length: 31 }, (_, i) => {
    for (let call = 0; call < 16; call++) region(`empty ${i}`, () => {})
    const { total, heapMeasured } = row(`empty ${i}`)
    assert.equal(heapMeasured, 16)
    return total.heap / 16
  })
  const median = perCall.sort((a, b) => a - b)[15]!
  // The objects of V8's statistics and our own come to more than 600 bytes a call.
  assert.ok(Math.abs(median) < 150, `${median} bytes a call`)
})

test('a region returns what its function returns and throws what it throws', () => {
  const value = {}
  const error = new Error('no')
  assert.equal(
    region('returns', () => value),
    value,
  )
  for (let i = 0; i < 2; i++) {
    assert.throws(
      () =>
        region('throws', () => {
          throw error
        }),
      (thrown) => thrown === error,
    )
  }
  assert.equal(row('throws').calls, 2)
  assert.equal(row('throws').measured, 2)
})

test('native code sees the region that runs, and the one around it again when it has returned or thrown', () => {
  assert.equal(binding.currentRegion(), 0)
  const seen: number[] = []
  const see = () => seen.push(binding.currentRegion())
  const throwing = () => {
    see()
    throw new Error('no')
  }
  for (const fraction of [1, 1e-9]) {
    region.budget(fraction)
    seen.length = 0
    region('outer', () => {
      see()
      region('inner', see)
      see()
      assert.throws(() => region('inner', throwing))
      see()
      using handle = region.enter('inner')
      see()
      handle.leave()
      see()
      assert.throws(region.wrap('inner', throwing))
      see()
    })
    const [outer, inner] = seen
    assert.ok(outer && inner && outer !== inner)
    assert.deepEqual(seen, [outer, inner, outer, inner, outer, inner, outer, inner, outer])
    assert.equal(binding.currentRegion(), 0)
  }
  region.budget(1)
})

test('a wrapped function keeps its name, length, properties, this, arguments, result and error', () => {
  function add(this: { base: number }, a: number, b: number): number {
    if (b < 0) throw new RangeError('negative')
    return this.base + a + b
  }
  add.unit = 'B'
  const wrapped = region.wrap('add', add)
  assert.equal(wrapped.name, 'add')
  assert.equal(wrapped.length, 2)
  assert.equal(wrapped.unit, 'B')
  for (const fraction of [1, 1e-9]) {
    region.budget(fraction)
    for (let i = 0; i < 100; i++) assert.equal(wrapped.call({ base: 100 }, i, 2), 102 + i)
    assert.throws(() => wrapped.call({ base: 0 }, 1, -1), RangeError)
  }
  region.budget(1)
  assert.equal(row('add').calls, 202)
})

test('a wrapped class constructs its instances, and its subclasses theirs', () => {
  class Cache {
    static limit = 3
    size: number
    constructor(size: number) {
      this.size = size
    }
  }
  const Wrapped = region.wrap('new Cache', Cache)
  class Sub extends Wrapped {}
  const cache = new Wrapped(7)
  assert.ok(cache instanceof Cache && cache instanceof Wrapped)
  assert.equal(cache.size, 7)
  assert.equal(Wrapped.limit, 3)
  assert.ok(new Sub(8) instanceof Sub)
  assert.throws(() => (Wrapped as unknown as () => void)(), TypeError)
  assert.equal(row('new Cache').calls, 3)
})

test('a wrapped arrow function is no constructor', () => {
  assert.throws(() => new (region.wrap('arrow', () => ({})) as unknown as new () => object)(), TypeError)
})

test('an async function is in its region until its first await, and measured until its promise settles', async () => {
  const seen: number[] = []
  let resolve = (_: string) => {}
  const promise = region('async', async () => {
    seen.push(binding.currentRegion())
    const value = await new Promise<string>((r) => {
      resolve = r
    })
    seen.push(binding.currentRegion())
    return value
  })
  assert.equal(binding.currentRegion(), 0, 'the caller’s region is current again')
  assert.equal(row('async').measured, 0)
  resolve('done')
  assert.equal(await promise, 'done')
  assert.equal(row('async').measured, 1)
  assert.ok(seen[0]! > 0)
  assert.equal(seen[1], 0)
})

test('a rejected promise rejects with the same error and its region has ended, measured or not', async () => {
  const error = new Error('no')
  const reject = region.wrap('rejects', async () => {
    throw error
  })
  for (const fraction of [1, 1e-9]) {
    region.budget(fraction)
    await assert.rejects(reject, (reason) => reason === error)
  }
  region.budget(1)
  assert.equal(row('rejects').calls, 2)
  assert.equal(row('rejects').measured, 1)
})

test('a rejection that the program forgets is still reported as unhandled', () => {
  const source = `
    const { region } = require(${JSON.stringify(require.resolve('#dist/regions/region'))})
    region.budget(Number(process.argv[1]))
    region('forgotten', () => Promise.reject(new Error('nobody looked')))
  `
  for (const fraction of ['1', '1e-9']) {
    const { status, stderr } = spawnSync(process.execPath, ['-e', source, fraction], { encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /nobody looked/)
  }
})

test('thenables and promises with more to them are returned as they are', () => {
  class Cancelable<T> extends Promise<T> {}
  const subclass = Cancelable.resolve(1)
  const extended = Object.assign(Promise.resolve(1), { cancel() {} })
  let started = 0
  const query = {
    // biome-ignore lint/suspicious/noThenProperty: a lazy query builder is what this test is about
    then() {
      started++
    },
  }
  for (const fraction of [1, 1e-9]) {
    region.budget(fraction)
    for (const result of [subclass, extended, query]) {
      assert.equal(
        region('not followed', () => result),
        result,
      )
    }
  }
  region.budget(1)
  assert.equal(started, 0, 'calling `then` would have run the query a second time')
})

test('a name is a string of 1 to 200 characters', () => {
  const bad = ['', 'x'.repeat(201), 5, undefined, null, Symbol('s')] as string[]
  for (const name of bad) {
    for (const use of [() => region(name, () => 1), () => region.enter(name), () => region.wrap(name, () => 1)]) {
      assert.throws(use, { code: 'ERR_TIDEMARK_ARGUMENT', message: /1 to 200 characters/ })
    }
  }
  assert.equal(
    region('x'.repeat(200), () => 1),
    1,
  )
})

test('a budget is a fraction of wall time; region and wrap need a function', () => {
  for (const fraction of [0, -1, 1.01, Number.NaN, '0.1' as unknown as number]) {
    assert.throws(() => region.budget(fraction), { code: 'ERR_TIDEMARK_ARGUMENT' })
  }
  assert.throws(() => region.wrap('x', 5 as never), { code: 'ERR_TIDEMARK_ARGUMENT' })
  assert.throws(() => region('x', 5 as never), { code: 'ERR_TIDEMARK_ARGUMENT' })
})

test('calls that are not measured are counted', () => {
  region.budget(1e-9)
  for (let i = 0; i < 10_000; i++) region('counted', () => i)
  region.budget(1)
  const { calls, measured } = row('counted')
  assert.equal(calls, 10_000)
  assert.ok(measured < 10_000, `${measured}`)
})

test('a handle that is left twice leaves its own region only', () => {
  for (const fraction of [1, 1e-9]) {
    region.budget(fraction)
    for (let i = 0; i < 3; i++) {
      const handle = region.enter('left twice')
      handle.leave()
      handle.leave()
      assert.equal(binding.currentRegion(), 0)
      assert.equal(height(), 0)
    }
  }
  region.budget(1)
})

test('handles that are never left cost bounded memory and leave later regions right', () => {
  region('before', () => {
    for (let i = 0; i < 40_000; i++) region.enter('forgotten')
    const forgotten = binding.currentRegion()
    const inside = region('later', () => binding.currentRegion())
    assert.notEqual(inside, forgotten)
    assert.equal(binding.currentRegion(), forgotten)
  })
})

test('each worker thread has its own regions', async () => {
  const source = `
    const { region } = require(${JSON.stringify(require.resolve('#dist/regions/region'))})
    region('of the worker', () => {})
    require('node:worker_threads').parentPort.postMessage(region.report().rows.map((row) => row.name))
  `
  const worker = new Worker(source, { eval: true })
  const names = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await worker.terminate()
  assert.deepEqual(names, ['of the worker'])
  assert.ok(!region.report().rows.some(({ name }) => name === 'of the worker'))
})

test('beyond 1,024 names, regions are counted together as (other) and the report says so', () => {
  for (let i = 0; i < 2000; i++) region(`made up ${i}`, () => i)
  const { rows } = region.report()
  assert.equal(rows.length, 1025)
  const named = rows.filter(({ name }) => name.startsWith('made up')).length
  assert.equal(row('(other)').calls, 2000 - named)
  assert.match(region.report().toText(), /\(other\): names beyond the first 1024/)
  assert.equal(Object.keys(regionLines()!).length, 1025)
})
