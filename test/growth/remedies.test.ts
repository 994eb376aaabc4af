import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AllocatorReading, MemoryLimit } from 'tidemark'
import { allocatorRemedy } from '#dist/growth/allocator-remedy'
import { Detector } from '#dist/growth/detector'
import { heapLimitAdvice } from '#dist/growth/heap-limit'
import type { OwnerTrend } from '#dist/growth/owner-trend'
import { type Circumstances, remedy } from '#dist/growth/remedies'
import { hintOf } from '#dist/growth/site-hints'
import type { Cause, Site, StackFrame } from '#dist/growth/verdict'
import { ALLOCATORS, type Reading } from '#dist/readings/reading'

const MIB = 2 ** 20

function glibc(part: Partial<AllocatorReading> = {}): AllocatorReading {
  return { name: 'glibc', live: 11 * MIB, free: 287 * MIB, trimmable: 280 * MIB, inThreadArenas: 0, ...part }
}

test('of what glibc keeps the remedy says how much trim would give back, then settings in the order in which they help', () => {
  const text = allocatorRemedy(287 * MIB, glibc())
  assert.match(
    text,
    /^glibc keeps 287 MiB that the program has freed; trim would give back 280 MiB \(computed, not called\)\./,
  )
  assert.match(text, /MALLOC_TRIM_THRESHOLD_=131072 and MALLOC_MMAP_THRESHOLD_=131072.*another allocator/)
  assert.doesNotMatch(text, /MALLOC_ARENA_MAX|in pieces/)
})

test('arenas are the remedy only where they hold most of it, and pieces only where trim cannot take them', () => {
  assert.match(
    allocatorRemedy(287 * MIB, glibc({ inThreadArenas: 212 * MIB, trimmable: 30 * MIB })),
    /212 MiB of what is free lie in arenas of threads.*MALLOC_ARENA_MAX=2/,
  )
  assert.doesNotMatch(allocatorRemedy(287 * MIB, glibc({ inThreadArenas: 100 * MIB })), /MALLOC_ARENA_MAX/)
  assert.match(
    allocatorRemedy(287 * MIB, glibc({ trimmable: 60 * MIB })),
    /Most of what is free lies in pieces between blocks in use/,
  )
  const unknown = allocatorRemedy(287 * MIB, glibc({ trimmable: Number.NaN }))
  assert.doesNotMatch(unknown, /trim would|in pieces/)
})

test('of what is free the remedy tells what stayed free from what is free now', () => {
  assert.match(
    allocatorRemedy(120 * MIB, glibc()),
    /^glibc keeps 120 MiB that the program has freed, with 287 MiB free now; trim would give back 280 MiB/,
  )
})

test('each allocator has settings of its own, and none of glibc’s where it is not glibc', () => {
  const settings = {
    musl: /no setting/,
    jemalloc: /MALLOC_CONF=\S*dirty_decay_ms/,
    mimalloc: /MIMALLOC_/,
    tcmalloc: /TCMALLOC_/,
  }
  for (const name of ALLOCATORS) {
    if (name === 'glibc') continue
    const text = allocatorRemedy(64 * MIB, { ...glibc(), name, inThreadArenas: 287 * MIB, trimmable: Number.NaN })
    assert.match(text, settings[name])
    assert.doesNotMatch(text, /MALLOC_(?:TRIM|ARENA|MMAP)/)
  }
  assert.match(allocatorRemedy(64 * MIB, undefined), /keeps 64 MiB .* Which one it is was not seen/)
})

const limited = (mib: number, used: number): MemoryLimit => ({ bytes: mib * MIB, source: 'cgroup', used: used * MIB })

test('V8 is told of a limit that it does not know, with room for all else', () => {
  const text = heapLimitAdvice(limited(512, 250), 4096 * MIB, 150 * MIB)
  // 90 % of 512 MiB less the 100 MiB that are not JS heap.
  assert.match(text, /grow to 4 GiB, and all else takes 100 MiB of the 512 MiB .*--max-old-space-size=360 /)
  assert.match(heapLimitAdvice(limited(512, 450), 4096 * MIB, 20 * MIB), /leaves too little for it\.$/)
})

test('V8 needs no telling where its own limit fits, or where the limit is far', () => {
  assert.equal(heapLimitAdvice(limited(512, 250), 300 * MIB, 150 * MIB), '')
  assert.equal(heapLimitAdvice(limited(8192, 450), 4096 * MIB, 350 * MIB), '')
  assert.equal(heapLimitAdvice(undefined, 4096 * MIB, 150 * MIB), '')
  assert.equal(heapLimitAdvice(limited(512, 250), undefined, 150 * MIB), '')
  // Below the limit by itself, but not with all else, and that shows already.
  assert.equal(heapLimitAdvice(limited(1024, 700), 900 * MIB, 400 * MIB), '')
  assert.equal(heapLimitAdvice(limited(1024, 900), 810 * MIB, 800 * MIB), '', 'it fits with all else')
  assert.match(heapLimitAdvice(limited(1024, 900), 900 * MIB, 600 * MIB), /--max-old-space-size=621 /)
})

const js = (name: string, file: string): StackFrame => ({ function: name, file, line: 1, column: 1, kind: 'js' })
const native = (name: string, file = '/usr/bin/node'): StackFrame => ({
  ...js(name, file),
  line: 0,
  column: 0,
  kind: 'native',
})
const OWN = js('subscribe', '/app/feed.js')

/** A site whose stack is what it called, itself, and its callers. */
function site(called: StackFrame[], callers: StackFrame[] = [], own = OWN): Site {
  const { function: name, file, line } = own
  return {
    ...{ bytesPerHour: MIB, bytesPerHourError: 1, liveBytes: MIB, standardError: 1, region: null },
    ...{ function: name, file, line, stack: [...called, own, ...callers] },
  }
}

test('what a site called tells zlib streams, listeners, timers, workers, code, pools, Maps and Sets', () => {
  const zlib = native(
    'node::(anonymous namespace)::CompressionStream<node::(anonymous namespace)::ZlibContext>::AllocForZlib',
  )
  const shown: [RegExp, Site][] = [
    [/zlib streams/, site([], [], zlib)],
    [/zlib streams/, site([zlib, js('ZlibBase', 'node:zlib')])],
    [/Listeners/, site([js('_addListener', 'node:events')])],
    [/Listeners/, site([js('EventEmitter.addListener', 'node:events')])],
    [/Listeners/, site([js('addEventListener', 'node:internal/event_target')])],
    [/Timers/, site([js('Timeout', 'node:internal/timers'), js('setInterval', 'node:timers')])],
    [/Workers/, site([js('Worker', 'node:internal/worker')])],
    [/run time/, site([native('eval', '')])],
    [/run time/, site([js('Script', 'node:vm')])],
    [/slices of a pool/, site([js('createPool', 'node:buffer'), js('fromStringFast', 'node:buffer')])],
    [/Map or Set/, site([native('set', '')])],
  ]
  for (const [hint, found] of shown) assert.match(hintOf([found]), hint)
  assert.match(hintOf([site([]), site([native('add', '')])]), /Map or Set/, 'the first site that shows something')
})

test('who called a site, and names that only look alike, show nothing', () => {
  for (const silent of [
    site([], [js('setInterval', 'node:timers'), js('EventEmitter.addListener', 'node:events')]),
    site([js('addListener', '/app/node_modules/x/events.js')]),
    site([js('gzipSync', 'node:zlib'), js('ZlibBase', 'node:zlib')]),
    site([native('set', '/usr/bin/node')]),
    site([js('listOnTimeout', 'node:internal/timers')]),
    site([js('emit', 'node:events')]),
  ]) {
    assert.equal(hintOf([silent]), '')
  }
  assert.equal(hintOf([]), '')
})

const AROUND: Circumstances = {
  allocator: undefined,
  limit: undefined,
  heapLimit: undefined,
  heapBytes: 60 * MIB,
  threads: undefined,
  caches: () => [],
}

function leak(owner: Cause['owner'], sites: Site[] = []): Omit<Cause, 'remedy'> {
  return { owner, kind: 'leak', growth: { bytesPerHour: MIB, low: MIB, high: MIB }, sites }
}

test('a remedy names the site, then what its calls show, else what the owner makes likely', () => {
  const listening = site([js('addListener', 'node:events')])
  const named = remedy(leak('js-heap', [listening]), AROUND)
  assert.match(named, /^subscribe \(\/app\/feed\.js:1\) allocates what stays.* Listeners are added there/)
  assert.doesNotMatch(named, /heap snapshots/)
  assert.match(remedy(leak('js-heap'), AROUND), /heap snapshots/)
})

test('whether free memory is part of native growth is left open only while the allocator was not asked', () => {
  assert.match(remedy(leak('malloc'), AROUND), /may be part of it/)
  assert.doesNotMatch(remedy(leak('malloc'), { ...AROUND, allocator: glibc() }), /may be part of it/)
})

test('a process without V8 is not told of addons, workers and regions', () => {
  const threads = { from: MIB, to: 64 * MIB } as OwnerTrend
  const around = { ...AROUND, heapBytes: 0 }
  const ofNode = /addon|region\(|worker|terminate/
  for (const owner of ['malloc', 'mmap', 'thread-stacks'] as const) {
    for (const circumstances of [{}, { threads }]) {
      assert.match(remedy(leak(owner), { ...AROUND, ...circumstances }), ofNode)
      assert.doesNotMatch(remedy(leak(owner), { ...around, ...circumstances }), ofNode)
    }
  }
  assert.match(remedy(leak('malloc'), { ...around, threads }), /^Threads are started that do not end.*1 MiB to 64 MiB/)
})

test('a heap that leaks or has warmed up is held against the limit, other owners are not', () => {
  const around = { ...AROUND, limit: limited(512, 250), heapLimit: 4096 * MIB, heapBytes: 150 * MIB }
  assert.match(remedy(leak('js-heap'), around), /--max-old-space-size=360/)
  assert.match(remedy({ ...leak('js-heap'), kind: 'warm-up' }, around), /then settled.*--max-old-space-size=360/)
  assert.doesNotMatch(remedy(leak('malloc'), around), /max-old-space-size/)
})

test('a cache that grows beside a leak of the same owner is to be bounded', () => {
  const around = { ...AROUND, caches: (owner: string) => (owner === 'malloc' ? ['thumbnails'] : []) }
  assert.match(remedy(leak('malloc'), around), /Region 'thumbnails', declared a cache, grows as well: bound it/)
  assert.doesNotMatch(remedy(leak('mmap'), around), /thumbnails/)
})

/** Workers that are started and never end: each has 4 MiB of heap, 48 KiB of stack and some native memory. */
function workers({ perSecond, stackBytes = 48 * 1024 }: { perSecond: number; stackBytes?: number }) {
  const detector = new Detector()
  for (let second = 0; second <= 40; second++) {
    const count = Math.floor(perSecond * second)
    const owners = {
      'js-heap': (10 + 4 * count) * MIB,
      malloc: (10 + 0.6 * count) * MIB,
      'thread-stacks': 200e3 + stackBytes * count,
    }
    const rss = Object.values(owners).reduce((a, b) => a + b, 0)
    const reading: Reading = { t: second * 1000, rss, anon: rss, file: 0, shmem: 0, swap: 0, owners }
    reading.heap = { used: 8 * MIB, total: 11 * MIB, external: 0, arrayBuffers: 0 }
    if (second % 3 === 0) reading.majorGc = { count: 1, usedAfter: 7 * MIB }
    detector.add(reading)
  }
  return detector.verdict()
}

test('workers that never end are a leak of the JS heap, though this isolate’s own heap is level', () => {
  const verdict = workers({ perSecond: 1 })
  assert.deepEqual(
    verdict.causes.map(({ owner, kind }) => [owner, kind]),
    [
      ['js-heap', 'leak'],
      ['malloc', 'leak'],
    ],
  )
  for (const { remedy: text } of verdict.causes)
    assert.match(text, /^Threads are started that do not end, as their stacks grew/)
  assert.match(verdict.evidence.join('\n'), /^js-heap \(resident, of other isolates\) .* 4 MiB\/s/m)
})

test('heaps of other isolates that grow without new threads are unknown: nobody here sees their major GCs', () => {
  for (const stackBytes of [0, 1024]) {
    const verdict = workers({ perSecond: 1, stackBytes })
    assert.match(verdict.evidence.join('\n'), /^js-heap unknown: grows in other isolates/m)
    assert.doesNotMatch(verdict.causes[0]!.remedy, /Threads/)
  }
  assert.equal(workers({ perSecond: 0 }).kind, 'steady')
})

test('the evidence holds what the allocator said of itself', () => {
  const detector = new Detector()
  for (let second = 0; second <= 30; second++) {
    const owners = { malloc: 11 * MIB, 'malloc-free': 287 * MIB, file: 40 * MIB }
    const reading: Reading = {
      t: second * 1000,
      rss: 338 * MIB,
      anon: 298 * MIB,
      file: 40 * MIB,
      shmem: 0,
      swap: 0,
      owners,
    }
    detector.add(second === 3 ? { ...reading, allocator: glibc({ inThreadArenas: 3 * MIB }) } : reading)
  }
  const { causes, evidence } = detector.verdict()
  assert.ok(
    evidence.includes(
      'glibc has 11 MiB in use and keeps 287 MiB free, 3 MiB of it in arenas of threads; trim would give back 280 MiB (computed, not called)',
    ),
    evidence.join('\n'),
  )
  assert.match(causes[0]!.remedy, /^glibc keeps 287 MiB/)
})
