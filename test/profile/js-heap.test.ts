import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { region } from 'tidemark'
import type { ProfileColumns } from '#dist/profile/columns'
import { JsHeapSampler } from '#dist/profile/js-heap'
import { tellingInterval, weighSamples } from '#dist/profile/v8-samples'
import { random } from '../growth/random.js'

const SITES = 200
const INTERVAL = 16384

const TEXT = Buffer.alloc(1 << 16, 97)
const SIZES = [24, 40, 88, 216, 1016, 4016, 20016]
const HEADER = 16

/** Each keeps `n` strings of `size` bytes on the heap, from a line of its own. */
const sites = Array.from(
  { length: SITES },
  (_, i) =>
    new Function(
      'text',
      `return function site${i}(n, size, kept) {
      for (let j = 0; j < n; j++) kept[j] = text.latin1Slice(0, size - ${HEADER})
    }`,
    )(TEXT) as (n: number, size: number, kept: string[]) => void,
)

function liveBySite({ frames, stackFrames, starts, live, old }: ProfileColumns) {
  const bySite = Array.from({ length: SITES }, () => ({ bytes: 0, count: 0, variance: 0, samples: 0, old: 0 }))
  for (let trace = 0; trace + 1 < starts.length; trace++) {
    const names = Array.from(stackFrames.subarray(starts[trace], starts[trace + 1]), (i) => frames[i]!.function)
    const name = names.find((name) => name.startsWith('site'))
    if (name === undefined) continue
    const site = bySite[Number(name.slice('site'.length))]!
    site.bytes += live.bytes[trace]!
    site.count += live.count[trace]!
    site.variance += live.bytesVariance[trace]!
    site.samples += live.samples[trace]!
    site.old += old.bytes[trace]!
  }
  return bySite
}

function total(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}

async function sampled(run: () => unknown, interval = INTERVAL): Promise<ProfileColumns> {
  const sampler = new JsHeapSampler()
  sampler.start(interval)
  try {
    const kept = run()
    const columns = await sampler.read()
    assert.ok(kept)
    return columns
  } finally {
    sampler.stop()
  }
}

test('200 functions are named with what each keeps alive, within the error that is given', async () => {
  const size = (site: number) => SIZES[site % SIZES.length]!
  const n = (site: number) => Math.ceil(300_000 / size(site))
  const columns = await sampled(() =>
    sites.map((allocate, i) => {
      const kept = new Array<string>(n(i))
      allocate(n(i), size(i), kept)
      return kept
    }),
  )
  const found = liveBySite(columns)
  // V8's draws cannot be seeded. By chance a test fails at 5 sigma once in two million runs.
  const truth = total(sites.map((_, i) => n(i) * size(i)))
  const bytes = total(found.map((site) => site.bytes))
  const sigma = Math.sqrt(total(found.map((site) => site.variance)))
  assert.ok(sigma > 0 && sigma < truth * 0.03, `${sigma} of ${truth}`)
  assert.ok(Math.abs(bytes - truth) < 5 * sigma, `${bytes} is not ${truth} ± ${sigma}`)
  for (const [i, site] of found.entries()) {
    const expected = n(i) * size(i)
    assert.ok(site.samples > 0, `site${i} was not seen`)
    assert.ok(Math.abs(site.bytes - expected) < 6 * Math.sqrt(expected * INTERVAL), `site${i}: ${site.bytes}`)
  }
  const counts = total(found.map((site) => site.count)) / total(sites.map((_, i) => n(i)))
  assert.ok(counts > 0.8 && counts < 1.25, `${counts} times as many objects`)
  assert.equal(columns.jsIntervalBytes, INTERVAL)
  assert.deepEqual(columns.notes, [])
})

test('what was let go is not in the profile', async () => {
  const columns = await sampled(() => {
    const kept: string[] = []
    for (let i = 0; i < 50; i++) sites[0]!(100, 4016, kept)
    kept.length = 0
    return kept
  })
  assert.ok(liveBySite(columns)[0]!.bytes < 400_000)
})

test('a trace knows the file and line of its functions, its source, owner and thread', async () => {
  const kept: unknown[] = []
  function retainHere() {
    for (let i = 0; i < 20_000; i++) kept.push({ i })
    return kept
  }
  const { frames, stackFrames, starts, source, owner, threads, allocated, intervalBytes } = await sampled(retainHere)
  const at = frames.findIndex((frame) => frame.function === 'retainHere')
  const frame = frames[at]!
  assert.equal(frame.file, __filename)
  const lines = readFileSync(__filename, 'utf8').split('\n')
  const line = lines.findIndex((text) => /^\s*function retainHere\(/.test(text))
  const column = lines[line]!.indexOf('retainHere') + 'retainHere'.length
  assert.deepEqual([frame.line, frame.column, frame.kind], [line + 1, column + 1, 'js'], 'where its parameters begin')
  const trace = starts.findIndex((start, i) => stackFrames.subarray(start, starts[i + 1]).includes(at))
  assert.deepEqual([source[trace], owner[trace], threads], [1, 2, ['main']])
  assert.ok(Number.isNaN(allocated.bytes[trace]), 'V8 does not know what was ever allocated')
  assert.equal(intervalBytes, 0)
  assert.ok(stackFrames[starts[trace]!] === at, 'leaf first')
})

test('only what an earlier reading saw, long enough ago, is old', async () => {
  const sampler = new JsHeapSampler()
  sampler.start(INTERVAL)
  const [before, after]: string[][] = [[], []]
  sites[1]!(500, 4016, before!)
  assert.equal(liveBySite(await sampler.read({ oldMs: 50 }))[1]!.old, 0)
  await wait(60)
  sites[2]!(500, 4016, after!)
  const [, first, second] = liveBySite(await sampler.read({ oldMs: 50 }))
  const [, later] = liveBySite(await sampler.read({ oldMs: 3_600_000 }))
  sampler.stop()
  assert.ok(first!.old > 0 && first!.old === first!.bytes)
  assert.ok(second!.bytes > 0 && second!.old === 0)
  assert.ok(later!.bytes > 0 && later!.old === 0)
  assert.equal(before!.length + after!.length, 1000)
})

test('large objects alone do not make the interval look longer than it is', async () => {
  const size = 60_016
  const columns = await sampled(() => {
    const kept: string[] = []
    sites[5]!(200, size, kept)
    return kept
  }, 24576)
  assert.equal(columns.jsIntervalBytes, 24576)
  const { bytes, samples } = liveBySite(columns)[5]!
  assert.ok(samples > 100)
  assert.ok(Math.abs(bytes / (200 * size) - 1) < 0.15, `${bytes / (200 * size)}`)
})

function post(session: Session, method: string, parameters: object = {}): void {
  session.post(method, parameters, (error) => assert.equal(error, null))
}

test('a sampler of another session is read along, with its interval, and left running', async () => {
  const other = new Session()
  other.connect()
  post(other, 'HeapProfiler.startSampling', { samplingInterval: 65536 })
  const columns = await sampled(() =>
    sites.map((site) => {
      const kept: string[] = []
      site(100, 4016, kept)
      return kept
    }),
  )
  assert.match(columns.notes.join(), /was sampling the JS heap already/)
  assert.ok(Math.abs(columns.jsIntervalBytes - 65536) < 4016, String(columns.jsIntervalBytes))
  const truth = SITES * 100 * 4016
  const bytes = total(liveBySite(columns).map((site) => site.bytes))
  assert.ok(Math.abs(bytes - truth) < 6 * Math.sqrt(truth * 70_000), `${bytes} of ${truth}`)
  post(other, 'HeapProfiler.getSamplingProfile')
  other.disconnect()
})

test('a session that stops the sampler costs what was sampled, and the profile says so', async () => {
  const sampler = new JsHeapSampler()
  sampler.start(INTERVAL)
  const other = new Session()
  other.connect()
  post(other, 'HeapProfiler.stopSampling')
  const first = await sampler.read()
  assert.match(first.notes.join(), /stopped the sampling of the JS heap/)
  assert.equal(first.source.length, 0)
  const kept: string[] = []
  sites[3]!(500, 4016, kept)
  assert.ok(liveBySite(await sampler.read())[3]!.bytes > 0, 'it goes on')
  sampler.stop()
  other.disconnect()
})

test('without a sampler the profile is empty and says why', async () => {
  const inspector = process.getBuiltinModule
  process.getBuiltinModule = (() => {
    throw new Error('Inspector is not available')
  }) as typeof inspector
  const sampler = new JsHeapSampler()
  try {
    sampler.start(INTERVAL)
  } finally {
    process.getBuiltinModule = inspector
  }
  const columns = await sampler.read()
  sampler.stop()
  assert.deepEqual(columns.notes, ['the JS heap is not sampled: Inspector is not available'])
  assert.deepEqual([columns.jsIntervalBytes, columns.source.length], [0, 0])
})

test('after stop() nothing is sampled, and it can start again', async () => {
  const sampler = new JsHeapSampler()
  sampler.start(INTERVAL)
  sampler.stop()
  sampler.stop()
  const session = new Session()
  session.connect()
  session.post('HeapProfiler.getSamplingProfile', (error) => assert.ok(error))
  session.disconnect()
  sampler.start(INTERVAL)
  const kept: string[] = []
  sites[4]!(500, 4016, kept)
  assert.ok(liveBySite(await sampler.read())[4]!.bytes > 0)
  sampler.stop()
})

const IN_WORKER = `
const { parentPort, workerData } = require('node:worker_threads')
const { JsHeapSampler } = require(workerData)
const sampler = new JsHeapSampler()
sampler.start(${INTERVAL})
const kept = []
function inWorker() { for (let i = 0; i < 50000; i++) kept.push({ i }) }
inWorker()
sampler.read().then((columns) => {
  parentPort.postMessage({ threads: columns.threads, names: columns.frames.map((frame) => frame.function) })
  setInterval(inWorker, 1)
})
`

test('a worker samples its own heap under its own name, and may be terminated meanwhile', async () => {
  for (let i = 0; i < 5; i++) {
    const worker = new Worker(IN_WORKER, {
      eval: true,
      workerData: join(__dirname, '../../../dist/profile/js-heap.js'),
    })
    const { threads, names } = await new Promise<{ threads: string[]; names: string[] }>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    assert.match(threads[0]!, /^worker \d+$/)
    assert.ok(names.includes('inWorker'))
    await worker.terminate()
  }
})

/** As V8 does it. */
function product(size: number, samples: number, interval: number): number {
  return size * Math.floor(samples / (1 - Math.exp(-size / interval)) + 0.5)
}

test('from three samples of a stack on V8 tells their size, so that the weight is exact', () => {
  const interval = tellingInterval(524288)
  for (const size of [24, 32, 56, 72, 96, 160, 1040, 4112, 65552, 150016, 300000, 400016, 600000]) {
    const samples = weighSamples(
      [1, 2, 3].map(() => product(size, 1, interval)),
      product(size, 3, interval),
      interval,
    )
    const weight = 1 / (1 - Math.exp(-size / interval))
    for (const { bytes, count } of samples) {
      assert.ok(Math.abs(bytes / (size * weight) - 1) < 0.02, `${size}: ${bytes}`)
      assert.ok(Math.abs(count / weight - 1) < 0.3, `${size}: ${count}`)
    }
  }
})

test('one sample of a small object tells its size by itself at the interval that is chosen', () => {
  const interval = tellingInterval(524288)
  assert.ok(Math.abs(interval / 524288 - 1) < 0.01)
  for (let size = 16; size <= 48; size += 8) {
    const one = product(size, 1, interval)
    const others = Array.from({ length: 9 }, (_, i) => 16 + 8 * i).filter(
      (other) => product(other, 1, interval) === one,
    )
    assert.deepEqual(others, [size])
  }
})

test('rounded weights are up to a third wrong near the interval, the sums of many samples are not', () => {
  const { uniform: draw } = random(7)
  const interval = tellingInterval(524288)
  for (const size of [150016, 300000, 400016, 700000]) {
    let [truth, estimate, variance] = [0, 0, 0]
    for (let stack = 0; stack < 400; stack++) {
      let samples = 0
      for (let i = 0; i < 20; i++) {
        truth += size
        if (draw() < 1 - Math.exp(-size / interval)) samples++
      }
      if (samples === 0) continue
      const products = Array.from({ length: samples }, () => product(size, 1, interval))
      for (const sample of weighSamples(products, product(size, samples, interval), interval)) {
        estimate += sample.bytes
        variance += sample.bytesVariance
      }
    }
    // 4 sigma and 1 % for the stacks with one sample, whose size stays in doubt.
    assert.ok(Math.abs(estimate - truth) < 4 * Math.sqrt(variance) + 0.01 * truth, `${size}: ${estimate / truth}`)
  }
})

test('whatever V8 says, every weight is a number above 0', () => {
  for (const products of [[0], [1], [7, 7], [1e15], [524288, 524289, 3e5], Array(40).fill(524304)]) {
    for (const given of [0, 1, 524288, 1e15]) {
      for (const sample of weighSamples(products, given, 524288)) {
        for (const number of Object.values(sample)) assert.ok(Number.isFinite(number) && number >= 0, `${products}`)
      }
    }
  }
})

/** Bytes that live, by the region that their traces carry. */
function liveByRegion({ region, regions, live }: ProfileColumns): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [trace, index] of region.entries()) {
    const name = regions[index]!
    sums.set(name, (sums.get(name) ?? 0) + live.bytes[trace]!)
  }
  return sums
}

function textsOf(n: number): string[] {
  const kept: string[] = []
  sites[1]!(n, 4016, kept)
  return kept
}

test('what a wrapped function keeps is in its region, and of nested ones in that of the innermost', async () => {
  const inner = region.wrap('heap inner', function keepInside() {
    return textsOf(500)
  })
  const outer = region.wrap('heap outer', () => [textsOf(1000), inner()])
  const sums = liveByRegion(await sampled(() => [outer(), textsOf(1500)]))
  // Expected to be 2, 4 and 6 MB; the bounds are 5 sigma of sums of samples of 16 KiB.
  const within = (name: string, truth: number) => {
    const bytes = sums.get(name) ?? 0
    assert.ok(Math.abs(bytes - truth) < 5 * Math.sqrt(truth * INTERVAL) + 100_000, `${name}: ${bytes} is not ${truth}`)
  }
  within('heap inner', 500 * 4016)
  within('heap outer', 1000 * 4016)
})

test('functions that were wrapped before an earlier profile are known in the next one', async () => {
  const keep = region.wrap('heap again', () => textsOf(1000))
  await sampled(() => keep())
  assert.ok((liveByRegion(await sampled(() => keep())).get('heap again') ?? 0) > 2_000_000)
})

test('a function that was wrapped under two names, and a wrapper that was wrapped, tell no region', async () => {
  const make = (name: string) => region.wrap(name, () => textsOf(1000))
  const first = make('heap first')
  const second = make('heap second')
  const again = region.wrap('heap of a wrapper', first)
  const sums = liveByRegion(await sampled(() => [first(), second(), again()]))
  assert.deepEqual(
    ['heap first', 'heap second', 'heap of a wrapper'].map((name) => sums.get(name) ?? 0),
    [0, 0, 0],
  )
})

test('finding the regions leaves nothing behind in the global object', async () => {
  const before = Reflect.ownKeys(globalThis)
  region.wrap('heap global', () => {})()
  await sampled(() => [])
  assert.deepEqual(Reflect.ownKeys(globalThis), before)
})
