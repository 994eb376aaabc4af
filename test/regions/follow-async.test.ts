import assert from 'node:assert/strict'
import { AsyncResource } from 'node:async_hooks'
import { spawnSync } from 'node:child_process'
import { stat } from 'node:fs'
import { after, before, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { binding } from '#dist/binding'
import { Call } from '#dist/regions/call'
import { regions } from '#dist/regions/measurement'
import { region } from '#dist/regions/region'
import { fakeReadings, grow } from './fake-process.js'

before(() => {
  fakeReadings()
  region.budget(1)
  region.followAsync(true)
})
after(() => region.followAsync(false))

const current = () => regions.byId[binding.currentRegion()]?.name
const row = (name: string) => region.report().rows.find((candidate) => candidate.name === name)!

test('after an await the region is current again, and in its caller’s code it is not', async () => {
  const seen: unknown[] = []
  const promise = region('request', async () => {
    seen.push(current())
    await null
    seen.push(current())
    await nextTurn()
    seen.push(current())
  })
  assert.equal(current(), undefined)
  await promise
  assert.deepEqual(seen, ['request', 'request', 'request'])
  assert.equal(current(), undefined)
})

test('timers, ticks, microtasks and I/O callbacks run in the region that started them while it is open', async () => {
  const start: [string, (callback: () => void) => void][] = [
    ['timeout', (callback) => setTimeout(callback, 1)],
    ['immediate', (callback) => setImmediate(callback)],
    ['tick', (callback) => process.nextTick(callback)],
    ['microtask', queueMicrotask],
    ['I/O', (callback) => stat('/', callback)],
  ]
  const seen: string[] = []
  await region('starts', () =>
    Promise.all(
      start.map(
        ([kind, schedule]) =>
          new Promise<void>((done) => {
            schedule(() => {
              seen.push(`${kind} in ${current()}`)
              done()
            })
          }),
      ),
    ),
  )
  assert.deepEqual(seen.sort(), start.map(([kind]) => `${kind} in starts`).sort())
})

test('a timer that outlives its region runs in the region around it, or in none', async () => {
  const seen: unknown[] = []
  let done = Promise.resolve()
  const lookLater = () => {
    done = nextTurn().then(() => {
      seen.push(current())
    })
  }
  await region('long', async () => {
    region('short', lookLater)
    await done
  })
  region('gone', lookLater)
  await done
  assert.deepEqual(seen, ['long', undefined])
})

test('regions entered after an await are inside the region that awaited', async () => {
  await region('handler', async () => {
    await null
    grow(1)
    await region('query', async () => {
      await nextTurn()
      grow(10)
    })
    region('render', () => grow(100))
  })
  const [handler, query, render] = ['handler', 'query', 'render'].map(row)
  assert.equal(handler!.total.rss, 111)
  assert.equal(handler!.self.rss, 1)
  assert.equal(query!.total.rss, 10)
  assert.deepEqual(
    [handler!.overlapped, query!.overlapped, render!.overlapped],
    [0, 0, 0],
    'one after another is not overlap',
  )
})

test('concurrent requests stay apart and are overlapped', async () => {
  const request = (name: string) =>
    region(name, async () => {
      for (let i = 0; i < 5; i++) {
        assert.equal(current(), name)
        await nextTurn()
        assert.equal(current(), name)
        region(`part of ${name}`, () => assert.equal(current(), `part of ${name}`))
      }
    })
  await Promise.all([request('left'), request('right')])
  assert.equal(row('left').overlapped, 1)
  assert.equal(row('right').overlapped, 1)
  assert.equal(row('part of left').overlapped, 0)
})

test('a region that awaits itself is in its total once', async () => {
  const countdown = region.wrap('countdown', async (n: number): Promise<void> => {
    grow(1)
    await nextTurn()
    if (n > 1) await countdown(n - 1)
  })
  await countdown(4)
  assert.equal(row('countdown').calls, 4)
  assert.equal(row('countdown').total.rss, 4)
})

test('a handle may be held across awaits, by several at once', async () => {
  const hold = async (name: string, turns: number) => {
    await nextTurn()
    using _handle = region.enter(name)
    for (let i = 0; i < turns; i++) {
      assert.equal(current(), name)
      await nextTurn()
    }
    assert.equal(current(), name)
  }
  await hold('held alone', 2)
  assert.equal(current(), undefined)
  assert.equal(row('held alone').overlapped, 0)
  await Promise.all([hold('held long', 4), hold('held short', 2)])
  await nextTurn()
  assert.equal(current(), undefined)
  assert.equal(row('held long').overlapped, 1)
  assert.equal(row('held short').overlapped, 1)
})

test('a handle left in a later tick uncovers the region around it', async () => {
  await region('around', async () => {
    const handle = region.enter('within')
    await nextTurn()
    assert.equal(current(), 'within')
    handle.leave()
    assert.equal(current(), 'around')
    await nextTurn()
    assert.equal(current(), 'around')
  })
})

test('what runs in an older context inside a region is not a child of it, and the region is current again afterwards', () => {
  const older = region('older', () => new AsyncResource('older'))
  region('newer', () => {
    older.runInAsyncScope(() => region('in the older context', () => grow(9)))
    assert.equal(current(), 'newer')
  })
  assert.equal(row('newer').self.rss, 9)
  assert.equal(current(), undefined)
})

test('an exception that leaves a callback leaves no region current', () => {
  const source = `
    const { binding } = require(${JSON.stringify(require.resolve('#dist/binding'))})
    const { region } = require(${JSON.stringify(require.resolve('#dist/regions/region'))})
    region.followAsync(true)
    process.on('uncaughtException', () => {})
    const fail = () => { throw new Error('no') }
    region('fails', () => new Promise(() => setTimeout(fail, 1)))
    region('fails', () => new Promise(() => setImmediate(() => region('inner', fail))))
    setTimeout(() => setImmediate(() => process.stdout.write(String(binding.currentRegion()))), 20)
  `
  const { stdout } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8' })
  assert.equal(stdout, '0')
})

test('a handle held by the main script is not current in callbacks that were scheduled before it', () => {
  const source = `
    const { binding } = require(${JSON.stringify(require.resolve('#dist/binding'))})
    const { region } = require(${JSON.stringify(require.resolve('#dist/regions/region'))})
    region.followAsync(true)
    const seen = []
    setImmediate(() => seen.push(binding.currentRegion()))
    const startup = region.enter('startup')
    setImmediate(() => {
      seen.push(binding.currentRegion())
      startup.leave()
      seen.push(binding.currentRegion())
    })
    setTimeout(() => {
      region.followAsync(false)
      process.stdout.write([...seen, binding.currentRegion()].join(' '))
    }, 20)
  `
  const { stdout } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8' })
  assert.equal(stdout, '0 1 0 0')
})

test('calls that are not measured are followed too', async () => {
  region.budget(1e-9)
  for (let i = 0; i < 100; i++) {
    await region('seldom', async () => {
      await null
      assert.equal(current(), 'seldom')
    })
  }
  region.budget(1)
  assert.equal(row('seldom').calls, 100)
})

test('a chain of regions, each begun in the one before, holds none that has ended', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const chained = regions.find('chained')
  let call = new Call(chained)
  const first = new WeakRef(call)
  for (let i = 0; i < 10; i++) {
    const next = new Call(chained, call)
    call.end()
    call = next
  }
  await nextTurn()
  gc()
  assert.equal(first.deref(), undefined)
  call.end()
})

test('switched off, regions end at the first await again', async () => {
  region.followAsync(false)
  await region('not followed', async () => {
    await nextTurn()
    assert.equal(current(), undefined)
  })
  assert.equal(current(), undefined)
  region.followAsync(true)
})

test('switched off inside a continuation, nothing stays current', async () => {
  await region('switches', async () => {
    await null
    region.followAsync(false)
    await nextTurn()
    assert.equal(current(), undefined)
  })
  assert.equal(current(), undefined)
  region.followAsync(true)
})
