import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Frame, ProfileColumns, ProfileMapping } from '#dist/profile/columns'
import { ColumnsBuilder, type TraceSums, UNKNOWN_SUMS } from '#dist/profile/columns-builder'
import { jsHeapPause, pauseAfter, SiteFeed } from '#dist/profile/site-feed'
import { SiteTable } from '#dist/profile/site-table'
import { observeMajorGc } from '#dist/readings/major-gc'
import { MOST_SITE_CHARACTERS, MOST_SITE_FRAMES, MOST_SITES } from '#dist/readings/reading'
import { profileOf, js as script } from './profiles.js'
import { syntheticProfile } from './synthetic.js'

const MIB = 2 ** 20
const OWNERS = { malloc: 0, 'array-buffers': 1, 'js-heap': 2 }

const MAPPINGS: ProfileMapping[] = [
  { path: '/usr/bin/node', buildId: '', start: 0, end: 0, offset: 0 },
  { path: '/app/node_modules/sharp/sharp.node', buildId: '', start: 0, end: 0, offset: 0 },
]

const js = (name: string, file: string, line: number): Frame => {
  return { function: name, file, line, column: 1, kind: 'js', inlined: false, mapping: -1, address: 0 }
}
const native = (name: string, mapping: number): Frame => {
  return { function: name, file: '', line: 0, column: 0, kind: 'native', inlined: false, mapping, address: 16 }
}

const HANDLER = js('handler', '/app/server.js', 29)
const KEEP = js('keep', '/app/keep.js', 7)
const BUFFER_FROM = js('from', 'node:buffer', 330)
const CALLOC = native('node::Calloc', 0)
const RESIZE = native('Resize', 1)

interface Trace {
  frames: Frame[]
  old: number
  owner?: keyof typeof OWNERS
  region?: number
  /** V8's sampler: nothing is known of age. */
  ageless?: boolean
}

function sums(mib: number): TraceSums {
  const bytes = mib * MIB
  return { count: mib, bytes, countVariance: mib, bytesVariance: bytes * MIB, samples: mib }
}

function columns(traces: Trace[], regions = ['', 'upload', 'thumbnails']): ProfileColumns {
  const builder = new ColumnsBuilder()
  const frames = [...new Set(traces.flatMap((trace) => trace.frames))]
  for (const { frames: stack, old, owner = 'malloc', region = 0, ageless } of traces) {
    builder.add({
      stack: stack.map((frame) => frames.indexOf(frame)),
      source: owner === 'js-heap' ? 1 : 0,
      region,
      thread: 0,
      partial: 0,
      owner: OWNERS[owner],
      allocated: sums(old),
      live: sums(old),
      old: ageless ? UNKNOWN_SUMS : sums(old),
    })
  }
  return builder.finish({
    startedAt: 0,
    durationMs: 1,
    intervalBytes: MIB,
    jsIntervalBytes: MIB,
    jsHeapAt: 0,
    oldMs: 1,
    frames,
    regions,
    regionKinds: regions.map((name) => (name === 'thumbnails' ? 'cache' : '')),
    threads: ['main'],
    mappings: MAPPINGS,
    notes: [],
  })
}

test('traces of one place in the user’s code are one site, with the stack of the largest', () => {
  const { sites, siteDefs } = new SiteTable().feed(
    columns([
      { frames: [CALLOC, BUFFER_FROM, KEEP], old: 1 },
      { frames: [CALLOC, KEEP, HANDLER], old: 5 },
      { frames: [RESIZE, HANDLER], old: 3 },
    ]),
  )
  assert.deepEqual(sites, [
    { site: 1, live: 6 * MIB, variance: 6 * MIB * MIB, samples: 6 },
    { site: 2, live: 3 * MIB, variance: 3 * MIB * MIB, samples: 3 },
  ])
  const [keep, resize] = siteDefs
  assert.deepEqual(
    { ...keep, stack: keep!.stack.map((frame) => frame.function) },
    {
      site: 1,
      function: 'keep',
      file: '/app/keep.js',
      line: 7,
      region: '',
      kind: '',
      owner: 'malloc',
      stack: ['node::Calloc', 'keep', 'handler'],
    },
  )
  assert.equal(resize!.file, '/app/node_modules/sharp/sharp.node')
  assert.deepEqual(
    resize!.stack.map(({ function: name, kind }) => [name, kind]),
    [
      ['Resize', 'native'],
      ['handler', 'js'],
    ],
  )
})

test('regions and owners tell sites apart, and a cache is declared with its region', () => {
  const { siteDefs } = new SiteTable().feed(
    columns([
      { frames: [KEEP], old: 4, region: 1 },
      { frames: [KEEP], old: 3, region: 2 },
      { frames: [KEEP], old: 2, owner: 'array-buffers' },
      { frames: [KEEP], old: 1, owner: 'js-heap', ageless: true },
    ]),
  )
  assert.deepEqual(
    siteDefs.map(({ owner, region, kind }) => [owner, region, kind]),
    [
      ['malloc', 'upload', ''],
      ['malloc', 'thumbnails', 'cache'],
      ['array-buffers', '', ''],
      ['js-heap', '', ''],
    ],
  )
})

test('a site keeps its number in later snapshots, is said once, and is 0 when nothing of it is left', () => {
  const table = new SiteTable()
  const keep = { frames: [KEEP], region: 1 }
  table.feed(columns([{ ...keep, old: 1 }]))
  const grown = table.feed(
    columns(
      [
        { ...keep, region: 2, old: 2 },
        { frames: [RESIZE], old: 1 },
      ],
      ['', 'new', 'upload'],
    ),
  )
  assert.deepEqual(
    grown.sites.map(({ site, live }) => [site, live]),
    [
      [1, 2 * MIB],
      [2, MIB],
    ],
  )
  assert.deepEqual(
    grown.siteDefs.map(({ site }) => site),
    [2],
  )
  const gone = table.feed(columns([]))
  assert.deepEqual(gone, {
    sites: [1, 2].map((site) => ({ site, live: 0, variance: 0, samples: 0 })),
    siteDefs: [],
  })
})

test('there are 64 places, the largest have them, and a number is never used for two sites', () => {
  const table = new SiteTable()
  const at = (line: number, old: number) => ({ frames: [js('f', '/app/f.js', line)], old })
  const many = Array.from({ length: 200 }, (_, i) => at(i, 200 - i))
  const first = table.feed(columns(many))
  assert.equal(first.sites.length, MOST_SITES)
  assert.deepEqual(
    first.siteDefs.map(({ line }) => line),
    Array.from({ length: MOST_SITES }, (_, i) => i),
  )
  const alike = table.feed(columns([...many, at(300, 250)]))
  assert.deepEqual(
    alike.siteDefs.map(({ line }) => line),
    [],
    'not twice as large as the smallest',
  )
  const larger = table.feed(columns([...many, at(300, 280)]))
  assert.deepEqual(
    larger.siteDefs.map(({ line, site }) => [line, site]),
    [[300, MOST_SITES + 1]],
  )
  assert.equal(larger.sites.length, MOST_SITES)
  assert.ok(!larger.sites.some(({ site }) => site === MOST_SITES), 'the smallest has left')
})

test('what is written of a site is bounded, and of a long path the end is kept', () => {
  const deep = Array.from({ length: 128 }, (_, i) => js('f'.repeat(2000), `/${'x'.repeat(5000)}/end.js`, i + 1))
  const [def] = new SiteTable().feed(columns([{ frames: deep, old: 1 }])).siteDefs
  assert.equal(def!.stack.length, MOST_SITE_FRAMES)
  assert.equal(def!.function.length, MOST_SITE_CHARACTERS)
  assert.equal(def!.file.length, MOST_SITE_CHARACTERS)
  assert.ok(def!.file.endsWith('/end.js'))
})

test('sums over sites are the sums of the profile where all sites have a place', () => {
  const profile = syntheticProfile({ seed: 4, traces: 40, frames: 60, depth: 8 })
  const { sites } = new SiteTable().feed(profile)
  const total = sites.reduce((sum, { live }) => sum + live, 0)
  assert.ok(Math.abs(total / profile.old.bytes.reduce((sum, bytes) => sum + bytes, 0) - 1) < 1e-12)
})

test('Buffers of a worker are malloc to a reading, which counts those of its own thread', () => {
  const profile = profileOf(
    ['main', 'worker 1'].map((thread) => ({
      stack: [script('keep')],
      thread,
      owner: 'array-buffers' as const,
      live: { count: 1, bytes: MIB, countVariance: 1, bytesVariance: 1, samples: 1 },
    })),
  )
  const owners = new SiteTable().feed(profile).siteDefs.map(({ owner }) => owner)
  assert.deepEqual(owners.sort(), ['array-buffers', 'malloc'])
})

test('in slices a feed says the same', async () => {
  const profile = syntheticProfile({ seed: 5, traces: 2000, frames: 600, depth: 12 })
  const [sliced, whole] = [new SiteTable(), new SiteTable()]
  assert.deepEqual(await sliced.feedInSlices(profile), whole.feed(profile))
  assert.deepEqual(await sliced.feedInSlices(profile), whole.feed(profile))
})

test('snapshots are a second apart at first, five later, and further when they cost more than a hundredth', () => {
  assert.equal(pauseAfter(1, 0), 1000)
  assert.equal(pauseAfter(1, 60_000), 3000)
  assert.equal(pauseAfter(1, 3_600_000), 5000)
  assert.equal(pauseAfter(250, 3_600_000), 25_000)
})

test('a feed gives what a snapshot said once, says each site once, and goes on after one that failed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const problems: unknown[] = []
  let snapshots = 0
  const source = {
    jsHeapMs: 0,
    snapshot: async () => {
      if (++snapshots === 2) throw new Error('no')
      return { columns: columns([{ frames: [KEEP], old: snapshots }]) }
    },
  }
  const feed = new SiteFeed(source, (problem) => problems.push(problem))
  const turn = async () => {
    t.mock.timers.tick(60_000)
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(feed.take(), {})
  for (let i = 0; i < 3; i++) await turn()
  assert.equal(snapshots, 3)
  assert.equal(problems.length, 1)
  const { sites, siteDefs } = feed.take()
  assert.equal(sites![0]!.live, 3 * MIB)
  assert.deepEqual(
    siteDefs!.map(({ site }) => site),
    [1],
    'said with the first snapshot, which nobody took',
  )
  assert.deepEqual(feed.take(), {})
  await turn()
  assert.deepEqual(feed.take().siteDefs, [])
  feed.stop()
  await turn()
  assert.equal(snapshots, 4)
})

test('what the JS heap holds is told once, also when native memory was counted again before anybody took it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let taken = 0
  const source = {
    jsHeapMs: 0,
    snapshot: async () => {
      const heap = { frames: [KEEP], old: 5, owner: 'js-heap' as const }
      const native = { frames: [CALLOC, KEEP], old: ++taken }
      return { columns: { ...columns([heap, native]), jsHeapAt: 1 } }
    },
  }
  const feed = new SiteFeed(source, assert.ifError)
  const turn = async () => {
    t.mock.timers.tick(60_000)
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  for (let i = 0; i < 2; i++) await turn()
  const { sites, siteDefs } = feed.take()
  const owners = new Map(siteDefs!.map(({ site, owner }) => [site, owner]))
  assert.deepEqual(
    new Set(sites!.map(({ site, live }) => `${owners.get(site)} ${live / MIB}`)),
    new Set(['js-heap 5', 'malloc 2']),
  )
  await turn()
  assert.equal(feed.take().sites!.length, 1)
  feed.stop()
})

test('the thread is said of a site without JavaScript on its stack, and of no other', () => {
  const { siteDefs } = new SiteTable().feed(
    columns([
      { frames: [CALLOC], old: 2 },
      { frames: [CALLOC, KEEP], old: 1 },
    ]),
  )
  assert.deepEqual(
    siteDefs.map(({ function: name, thread }) => [name, thread]),
    [
      ['node::Calloc', 'main'],
      ['keep', undefined],
    ],
  )
})

test('the JS heap is counted when it was read anew, and not when it is what the last reading found', () => {
  const table = new SiteTable()
  const heap = (jsHeapAt: number, old: number) => ({
    ...columns([{ frames: [KEEP], old, owner: 'js-heap' }]),
    jsHeapAt,
  })
  assert.equal(table.feed(heap(1, 100)).sites.length, 1)
  assert.equal(table.feed(heap(1, 100)).sites.length, 0)
  assert.equal(table.feed(heap(2, 200)).sites[0]!.live, 200 * MIB)
})

test('the JS heap is read often while a run is young, then every five seconds, and less often when that holds the thread', () => {
  assert.equal(jsHeapPause(0, 0), 1000)
  assert.equal(jsHeapPause(5, 16e3), 2000)
  assert.equal(jsHeapPause(5, 3600e3), 5000)
  assert.equal(jsHeapPause(100, 8000), 5000, 'a fiftieth of the time at most')
  assert.equal(jsHeapPause(500, 60e3), 25_000)
  assert.equal(jsHeapPause(500, 7200e3), 500_000, 'a thousandth of the time in the end')
})

test('a snapshot that is the one before is told again: native memory that stands still is news of it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const taken = {
    columns: {
      ...columns([
        { frames: [KEEP], old: 3 },
        { frames: [KEEP], old: 5, owner: 'js-heap' },
      ]),
      jsHeapAt: 1,
    },
  }
  const asked: unknown[] = []
  const source = {
    jsHeapMs: 0,
    snapshot: async ({ since }: { since?: unknown }) => {
      asked.push(since)
      return taken
    },
  }
  const feed = new SiteFeed(source, (problem) => assert.fail(String(problem)))
  const turn = async () => {
    t.mock.timers.tick(60_000)
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
    return feed.take()
  }
  const first = await turn()
  const second = await turn()
  feed.stop()
  assert.deepEqual(asked, [undefined, taken])
  assert.equal(first.sites!.length, 2)
  const ofMalloc = first.siteDefs!.find(({ owner }) => owner === 'malloc')!.site
  assert.deepEqual(second, { sites: first.sites!.filter(({ site }) => site === ofMalloc), siteDefs: [] })
})

test('the JS heap is read anew only where more of it is in use than after the reading before', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const asked: boolean[] = []
  const source = {
    jsHeapMs: 0,
    snapshot: async ({ jsHeap }: { jsHeap: boolean }) => {
      if (jsHeap) collectGarbage()
      asked.push(jsHeap)
      return { columns: columns([{ frames: [KEEP], old: 1 }]) }
    },
  }
  const endObserving = observeMajorGc()
  const feed = new SiteFeed(source, (problem) => assert.fail(String(problem)))
  const until = async (count: number) => {
    while (asked.length < count) await wait(20)
  }
  await until(4)
  assert.deepEqual(asked.slice(0, 4), [true, false, false, false])
  const kept = Array.from({ length: 500_000 }, (_, i) => ({ i }))
  await until(6)
  feed.stop()
  endObserving()
  assert.equal(kept.length, 500_000)
  assert.ok(asked.slice(4).includes(true))
})
