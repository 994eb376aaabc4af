import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Detector } from '#dist/growth/detector'
import { LeastFree, worthSaying } from '#dist/growth/retention'
import type { Verdict } from '#dist/growth/verdict'
import type { Owner } from '#dist/owners'
import { random } from './random.js'

const MIB = 2 ** 20
const HOUR = 3600

interface Script {
  seconds: number
  /** MiB by owner, after so many seconds; 40 MiB of files are added. */
  owners: (second: number) => Partial<Record<Owner, number>>
  /** Seconds between two walks of the allocator's memory. */
  walkEvery?: number
  seed?: number
}

/** A reading a second, with a little noise in what is in use. */
function run({ seconds, owners, walkEvery = 1, seed = 31 }: Script): Verdict {
  const { noise } = random(seed)
  const wander = noise(0.3, 0.5)
  const detector = new Detector()
  let walked: Partial<Record<Owner, number>> = {}
  for (let second = 0; second <= seconds; second++) {
    const now = { file: 40, ...owners(second) }
    if ('malloc' in now) now.malloc = (now.malloc ?? 0) + wander()
    const walks = second % walkEvery === 0
    if (walks) walked = { malloc: now.malloc ?? 0, 'malloc-free': now['malloc-free'] ?? 0 }
    const told = { ...now, ...walked }
    const bytes = Object.fromEntries(Object.entries(told).map(([owner, mib]) => [owner, mib * MIB]))
    const rss = Object.values(bytes).reduce((a, b) => a + b, 0)
    const reading = { t: 1.7e12 + second * 1000, rss, anon: rss, file: 0, shmem: 0, swap: 0, owners: bytes }
    detector.add(walks ? reading : { ...reading, carried: ['malloc', 'malloc-free'] })
  }
  return detector.verdict()
}

const kinds = ({ kind, causes }: Verdict) => [kind, ...causes.map((cause) => `${cause.owner} ${cause.kind}`)]

/** Bursts that free 99 % of what they take, and each leaves a little more behind. */
const growingBursts = (s: number) => ({ malloc: 4, 'malloc-free': 44 + 1.2 * s })

test('free memory that piles up while what is in use is level is retention, with all that is held', () => {
  for (const walkEvery of [1, 10]) {
    const verdict = run({ seconds: 60, owners: growingBursts, walkEvery })
    assert.deepEqual(kinds(verdict), ['retention', 'malloc-free retention'])
    const [{ growth, heldBytes }] = verdict.causes as [(typeof verdict.causes)[0]]
    assert.equal(heldBytes, (44 + 1.2 * 60) * MIB)
    assert.ok(Math.abs(growth.bytesPerHour / (1.2 * HOUR * MIB) - 1) < 0.01)
    assert.doesNotMatch(verdict.evidence.join('\n'), /warming up/, 'freed memory is no leak, however long it was seen')
  }
})

test('one burst whose memory is freed and kept is retention, not a warm-up', () => {
  const burst = (s: number) => (s < 8 ? { malloc: 10 + 36 * s } : { malloc: 11, 'malloc-free': 287 })
  for (const [seconds, walkEvery] of [
    [24, 1],
    [40, 1],
    [40, 6],
    [300, 30],
  ] as const) {
    const verdict = run({ seconds, owners: burst, walkEvery })
    assert.deepEqual(kinds(verdict), ['retention', 'malloc-free retention'], `${seconds} s, every ${walkEvery} s`)
    assert.equal(verdict.causes[0]!.heldBytes, 287 * MIB)
  }
})

test('what was kept already before we looked is said too: it was never needed', () => {
  const verdict = run({ seconds: 30, owners: () => ({ malloc: 11, 'malloc-free': 287 }) })
  assert.deepEqual(kinds(verdict), ['retention', 'malloc-free retention'])
  const [{ growth, heldBytes }] = verdict.causes as [(typeof verdict.causes)[0]]
  assert.equal(heldBytes, 287 * MIB)
  assert.deepEqual(growth, { bytesPerHour: 0, low: 0, high: 0 })
  assert.match(
    verdict.evidence.join('\n'),
    /^malloc-free: at least 287 MiB stayed free for the last 15 s, of 33\d MiB that are resident$/m,
  )
})

test('a few walks are enough where they are far between, and two are not', () => {
  const held = () => ({ malloc: 11, 'malloc-free': 287 })
  assert.equal(run({ seconds: 30, owners: held, walkEvery: 14 }).kind, 'retention')
  assert.notEqual(run({ seconds: 30, owners: held, walkEvery: 16 }).kind, 'retention')
})

test('what an allocator keeps as a working stock is no retention', () => {
  assert.equal(run({ seconds: 60, owners: () => ({ malloc: 20, 'malloc-free': 31 }) }).kind, 'steady')
  assert.equal(run({ seconds: 60, owners: () => ({ malloc: 400, 'malloc-free': 100 }) }).kind, 'steady')
  assert.equal(worthSaying(100 * MIB), 32 * MIB)
  assert.equal(worthSaying(1000 * MIB), 250 * MIB)
})

test('batches that use again what they freed are no retention, whenever one looks', () => {
  for (const [every, length] of [
    [10, 3],
    [20, 2],
    [60, 20],
  ] as const) {
    const busy = (s: number) => s % every < length
    const batches = (s: number) => (busy(s) ? { malloc: 150, 'malloc-free': 2 } : { malloc: 10, 'malloc-free': 142 })
    for (let seconds = 2 * every; seconds <= 200; seconds += 7) {
      const found = kinds(run({ seconds, owners: batches }))
      assert.ok(
        !found.includes('malloc-free retention'),
        `batches of ${length} in ${every} s, after ${seconds} s: ${found}`,
      )
    }
  }
})

test('bursts that grow leave more behind each time, and the next one uses it: retention, and no leak', () => {
  // Every sixth second a burst of 20 MiB and more is in use; it is freed, and kept, within the second.
  const bursts = (s: number) => {
    const peak = 20 + 3 * s
    return s % 6 === 0 ? { malloc: 4 + peak, 'malloc-free': 2 } : { malloc: 4, 'malloc-free': peak + 2 }
  }
  for (const seconds of [40, 90]) {
    const verdict = run({ seconds, owners: bursts })
    assert.deepEqual(kinds(verdict), ['retention', 'malloc-free retention'], `${seconds} s`)
    const [{ growth, heldBytes }] = verdict.causes as [(typeof verdict.causes)[0]]
    assert.ok(Math.abs(growth.bytesPerHour / (3 * HOUR * MIB) - 1) < 0.15)
    assert.ok(Math.abs(heldBytes! / MIB - (22 + 3 * seconds)) < 8, `${heldBytes! / MIB} MiB`)
  }
})

test('free memory whose ups and downs hide that all the allocator holds has grown is not called steady', () => {
  // Twice the memory is needed once, late in the run: no line any more, and no level either.
  const bursts = (s: number) => {
    const held = s < 28 ? 20 + 3 * s : 160
    return s % 3 === 0 ? { malloc: 4 + held * 0.97, 'malloc-free': held * 0.03 } : { malloc: 4, 'malloc-free': held }
  }
  const verdict = run({ seconds: 34, owners: bursts })
  assert.deepEqual(kinds(verdict), ['unknown'])
  assert.match(verdict.evidence.join('\n'), /^malloc-free unknown: the allocator holds 1\d\d MiB more than at first/m)
})

test('a little free memory that comes and goes does not keep a service from being steady', () => {
  const { uniform } = random(77)
  // It climbs in jumps to 9 MiB: too irregular for an answer of its own, and too little to ask for one.
  let free = 1
  const restless = () => {
    free = Math.min(9, Math.max(0, free + 3 * (uniform() - 0.42)))
    return { malloc: 10, 'malloc-free': free, 'js-heap': 30 }
  }
  for (const seconds of [30, 60, 120]) assert.deepEqual(kinds(run({ seconds, owners: restless })), ['steady'])
})

test('what the allocator holds may rise in jumps: no question while that is less than what is worth saying', () => {
  // MiB in each second of a real run: a queue of Buffers, now and then longer than ever before.
  const recorded = {
    used: '0 0 14 8 8 1 0 0 15 15 7 9 6 15 12 6 7 5 13 24 12 20 21 1 1 1 1 1 0 0 3 3 0 15 15 30 30 6 6 6 6 6 6 1 1 1',
    free: '1 1 2 8 8 14 16 16 4 4 11 10 13 3 6 12 12 13 5 3 15 7 7 17 17 17 17 17 17 17 14 14 17 6 6 4 4 28 28 28 28 28 27 33 33 33',
  }
  const used = recorded.used.split(' ').map(Number)
  const free = recorded.free.split(' ').map(Number)
  const queue = (scale: number) => (s: number) => ({ malloc: 3 + scale * used[s]!, 'malloc-free': scale * free[s]! })
  assert.deepEqual(kinds(run({ seconds: 45, owners: queue(1) })), ['steady'])
  assert.deepEqual(kinds(run({ seconds: 45, owners: queue(3) })), ['unknown'])
})

test('a few MiB more of free memory are no retention, even in a straight line', () => {
  const verdict = run({ seconds: 60, owners: (s) => ({ malloc: 10, 'js-heap': 50, 'malloc-free': 1 + 0.12 * s }) })
  assert.deepEqual(kinds(verdict), ['steady'])
})

test('free memory that grows in a large process is its working stock up to 64 MiB, and is not called level', () => {
  const grown = (mib: number) =>
    run({ seconds: 60, owners: (s) => ({ malloc: 10, mmap: 2000, 'malloc-free': 1 + mib * (s / 60) }) })
  const little = grown(50)
  assert.deepEqual(kinds(little), ['steady'])
  assert.match(little.evidence.join('\n'), /^malloc-free no more than an allocator's working stock: /m)
  assert.doesNotMatch(little.evidence.join('\n'), /malloc-free level/)
  assert.deepEqual(kinds(grown(80)), ['retention', 'malloc-free retention'])
})

test('a leak whose blocks come from what was free is no retention', () => {
  const verdict = run({ seconds: 60, owners: (s) => ({ malloc: 10 + 2 * s, 'malloc-free': 20 + 10 * (s % 2) }) })
  assert.deepEqual(kinds(verdict), ['leak', 'malloc leak'])
})

test('of what batches reuse in part, only the rest is held', () => {
  const batches = (s: number) => (s % 10 < 3 ? { malloc: 150, 'malloc-free': 120 } : { malloc: 10, 'malloc-free': 260 })
  assert.equal(run({ seconds: 65, owners: batches }).causes[0]!.heldBytes, 120 * MIB)
})

test('a leak is the first cause, beside memory that is held', () => {
  for (const owner of ['malloc', 'array-buffers', 'mmap'] as const) {
    const verdict = run({ seconds: 60, owners: (s) => ({ malloc: 20, 'malloc-free': 200, [owner]: 20 + 1.5 * s }) })
    assert.deepEqual(kinds(verdict), ['leak', `${owner} leak`, 'malloc-free retention'])
  }
})

test('a slow leak is not lost beside a burst that was freed, however large that was', () => {
  for (const [seconds, burst] of [
    [120, (s: number) => Math.min(5 * s, 200)],
    [60, (s: number) => Math.min(100 * s, 1000)],
  ] as const) {
    const verdict = run({ seconds, owners: (s) => ({ malloc: 20 + 0.4 * s, 'malloc-free': burst(s) }) })
    assert.deepEqual(kinds(verdict), ['leak', 'malloc leak', 'malloc-free retention'])
  }
})

test('what is in use and what is free are two causes where each is a good part of the growth', () => {
  const shares = (live: number, free: number) =>
    kinds(run({ seconds: 90, owners: (s) => ({ malloc: 20 + live * s, 'malloc-free': 5 + free * s }) }))
  assert.deepEqual(shares(1, 0.6), ['leak', 'malloc leak', 'malloc-free retention'])
  assert.deepEqual(shares(1.5, 0.2), ['leak', 'malloc leak'], 'pieces between blocks in use')
  assert.deepEqual(shares(0, 1), ['retention', 'malloc-free retention'])
})

test('while what is in use may be growing too, growth of free memory alone is not the answer', () => {
  // So rough that its slope is above 0, but not above an alarm.
  const rough = (s: number) => ({ malloc: 20 + 0.7 * s + (s % 3 ? 4 : -8), 'malloc-free': 5 + s })
  const verdict = run({ seconds: 30, owners: rough })
  assert.deepEqual(kinds(verdict), ['unknown'])
  assert.match(verdict.evidence.join('\n'), /^malloc-free unknown: grows, but so does what is in use/m)
})

test('what is held is not the answer while more than that has grown and is not understood', () => {
  const heap = (mib: number) =>
    run({ seconds: 60, owners: (s) => ({ malloc: 20, 'malloc-free': 100, 'js-heap': 10 + mib * s }) })
  const verdict = heap(3)
  assert.deepEqual(kinds(verdict), ['unknown'])
  assert.match(verdict.evidence.join('\n'), /^malloc-free unknown: 100 MiB stayed free, but js-heap has grown by more/m)
  assert.deepEqual(kinds(heap(0.5)), ['retention', 'malloc-free retention'])
})

test('a warm-up larger than what is held gives the verdict its kind', () => {
  const cache = (mib: number) =>
    kinds(run({ seconds: 33, owners: (s) => ({ mmap: mib * Math.min(1, s / 9), malloc: 10, 'malloc-free': 100 }) }))
  assert.deepEqual(cache(200), ['warm-up', 'mmap warm-up', 'malloc-free retention'])
  assert.deepEqual(cache(60), ['retention', 'malloc-free retention', 'mmap warm-up'])
})

test('a leak in what the allocator has in use is found from a few walks, and says how many are missing', () => {
  const leak = (walkEvery: number, seconds: number) =>
    run({ seconds, owners: (s) => ({ malloc: 20 + 2 * s, 'malloc-free': 2 }), walkEvery })
  assert.deepEqual(kinds(leak(8, 40)), ['leak', 'malloc leak'])
  const early = leak(15, 40)
  assert.equal(early.kind, 'unknown')
  assert.match(early.evidence.join('\n'), /^malloc unknown: needs 2 more walks of the allocator's memory$/m)
})

test('the least of the later half counts, however many looks there were, and none where nobody looked lately', () => {
  const free = new LeastFree()
  for (let second = 0; second <= 5000; second++) free.add(second * 1000, second === 2600 ? 7 : second < 1000 ? 1 : 100)
  assert.deepEqual(free.over(5000e3)?.bytes, 7)
  const { bytes, ms } = free.over(5300e3)!
  assert.equal(bytes, 100, 'the dip is before the half')
  assert.ok(ms > 2600e3 - 64e3 && ms <= 2650e3, 'a coarse point is 64 s long')
  assert.equal(free.over(11_000e3), null)
  assert.equal(new LeastFree().over(60e3), null)
})

test('after a gap in the readings, a moment between two batches is not taken for the later half', () => {
  const least = new LeastFree()
  for (let second = 0; second <= 100; second++) least.add(second * 1000, 2 * MIB)
  for (let second = 3700; second <= 3707; second++) {
    least.add(second * 1000, 142 * MIB)
    assert.ok((least.over(second * 1000)?.bytes ?? 0) <= 2 * MIB, `after ${second} s`)
  }
})

test('what was needed a moment ago was not free all the time, however long one has been looking', () => {
  const least = new LeastFree()
  for (let second = 0; second <= 86_400; second++) least.add(second * 1000, 142 * MIB)
  assert.equal(least.over(86_400_000)!.bytes, 142 * MIB)
  least.add(86_401_000, 2 * MIB)
  for (let second = 86_402; second < 86_500; second++) {
    least.add(second * 1000, 142 * MIB)
    assert.equal(least.over(second * 1000)!.bytes, 2 * MIB, `after ${second} s`)
  }
})
