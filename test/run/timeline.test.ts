import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Reading, StackFrame, TidemarkError } from 'tidemark'
import { MOST_SITE_CHARACTERS, MOST_SITE_FRAMES, MOST_SITES, type SiteDef } from '#dist/readings/reading'
import { parseReading, readTimeline, TimelineWriter } from '#dist/run/timeline'
import { temporaryFolder, write } from '../cli/tidemark.js'

const RUN = { tidemark: '1', node: 'v20', pid: 1, script: 'a.js', argv: ['x'], intervalMs: 1, startedAt: '2026' }

function reading(t: number): Reading {
  return { t, rss: 3000, anon: 2000, file: 1000, shmem: 0, swap: 0, owners: { malloc: 2000, file: 1000 } }
}

function define(site: number, more: Partial<SiteDef> = {}): SiteDef {
  const stack: StackFrame[] = [{ function: 'keep', file: '/app/a.js', line: 7, column: 3, kind: 'js' }]
  return { site, function: 'keep', file: '/app/a.js', line: 7, region: '', kind: '', owner: 'malloc', stack, ...more }
}

function read(path: string): { readings: Reading[]; skipped: number } {
  let skipped = 0
  const readings = [...readTimeline(path, () => skipped++)]
  return { readings, skipped }
}

function writer(path: string, problems: TidemarkError[] = []): TimelineWriter {
  return new TimelineWriter(path, RUN, (problem) => problems.push(problem))
}

test('what was written is read again, with the run on the first line', (t) => {
  const path = join(temporaryFolder(t), 'deep', 'timeline.ndjson')
  const timeline = writer(path)
  const full: Reading = {
    ...reading(2),
    carried: ['malloc', 'malloc-free'],
    allocator: { name: 'glibc', live: 20, free: 30, trimmable: 10, inThreadArenas: 5 },
    heap: { used: 1, total: 2, external: 3, arrayBuffers: 4, limit: 6 },
    majorGc: { count: 1, usedAfter: 5 },
    limit: { bytes: 9, source: 'cgroup', used: 3 },
    regions: { 'GET /': { calls: 2, measured: 1, wallMs: 3, cpuMs: 2, rss: -5, anon: 4 } },
    sites: [{ site: 3, live: 10, variance: 2.5, samples: 1 }],
    siteDefs: [define(3)],
  }
  timeline.appendSync(reading(1))
  timeline.appendSync(full)
  assert.deepEqual(read(path), { readings: [{ ...reading(1), run: RUN }, full], skipped: 0 })
})

test('what a reading could not know is null in the file and NaN when read', (t) => {
  const path = join(temporaryFolder(t), 'timeline.ndjson')
  writer(path).appendSync({ ...reading(1), anon: Number.NaN })
  assert.match(readFileSync(path, 'utf8'), /"anon":null/)
  assert.ok(Number.isNaN(read(path).readings[0]!.anon))
})

test('a torn last line is counted and loses nothing else; the next writer begins a new line', (t) => {
  const path = join(temporaryFolder(t), 'timeline.ndjson')
  writer(path).appendSync(reading(1))
  writeFileSync(path, `${JSON.stringify(reading(2))}\n{"t":3,"rs`, { flag: 'a' })
  assert.equal(read(path).readings.length, 2)
  writer(path).appendSync(reading(4))
  const { readings, skipped } = read(path)
  assert.deepEqual(
    readings.map(({ t: at }) => at),
    [1, 2, 4],
  )
  assert.equal(skipped, 1)
})

test('lines that are not readings are skipped', () => {
  const lines = [
    '',
    'null',
    '[]',
    '7',
    '"text"',
    '{}',
    '{"t":1}',
    '{"t":"1","rss":1}',
    '{"t":1,"rss":-1}',
    '{"t":1,"rss":null}',
    '{"t":1e300,"rss":1}',
    '{"t":1,"rss":1e999}',
    '{"__proto__":{"t":1,"rss":1}}',
    '[[[['.repeat(10_000),
  ]
  for (const line of lines) assert.equal(parseReading(line), null, line.slice(0, 40))
})

test('of a reading with hostile parts the sound ones are kept', () => {
  const parsed = parseReading(
    `{"t":1,"rss":2,"anon":"x","file":-1,"owners":{"malloc":5,"wasm":-1,"evil":7,"__proto__":{"polluted":1},"unexplained":-3},
      "heap":{"used":1},"majorGc":[],"limit":{"bytes":1,"source":"moon","used":1},"run":{"argv":"x"},
      "regions":{"__proto__":{"calls":1,"measured":1,"wallMs":1,"cpuMs":1,"rss":1,"anon":1},"bad":3}}`,
  )!
  assert.deepEqual(parsed.owners, { malloc: 5, unexplained: -3 })
  assert.ok(Number.isNaN(parsed.anon) && Number.isNaN(parsed.file))
  assert.deepEqual(Object.keys(parsed.regions!), ['__proto__'])
  assert.equal(Object.getPrototypeOf(parsed.regions), Object.prototype)
  assert.deepEqual(Object.keys(parsed).sort(), ['anon', 'file', 'owners', 'regions', 'rss', 'shmem', 'swap', 't'])
})

const hostile = (part: object) => parseReading(JSON.stringify({ t: 1, rss: 2, ...part }))!

test('of hostile words about the allocator only what can be true is kept', () => {
  const owners = ['malloc-free', 'evil', 7, null, '__proto__', 'malloc', ...Array(10_000).fill('malloc')]
  assert.deepEqual(hostile({ carried: owners }).carried, ['malloc', 'malloc-free'])
  for (const carried of ['malloc', {}, 5, null, [], ['x']]) assert.ok(!('carried' in hostile({ carried })))

  const sound = { name: 'jemalloc', live: 20, free: 30, trimmable: 10, inThreadArenas: 5 }
  assert.deepEqual(hostile({ allocator: { ...sound, more: 1 } }).allocator, sound)
  const wrong = [
    { name: 'constructor' },
    { name: null },
    { live: -1 },
    { live: 1e300 },
    { free: '30' },
    { free: 2 ** 58 },
    { inThreadArenas: null },
  ]
  for (const part of wrong) assert.ok(!('allocator' in hostile({ allocator: { ...sound, ...part } })), `${part}`)
  for (const allocator of ['glibc', [], 5, null]) assert.ok(!('allocator' in hostile({ allocator })))

  const parts = (part: object) => hostile({ allocator: { ...sound, ...part } }).allocator!
  assert.deepEqual(parts({ trimmable: 1e300, inThreadArenas: 31 }), { ...sound, trimmable: 30, inThreadArenas: 30 })
  assert.ok(Number.isNaN(parts({ trimmable: null }).trimmable), 'not known')
  assert.ok(Number.isNaN(parts({ trimmable: -1 }).trimmable))
})

test('of hostile sites the sound ones are kept, and as much of them as is sane', () => {
  const line = { site: 1, live: 5, variance: 1, samples: 2 }
  const lines = [
    line,
    null,
    7,
    [],
    {},
    { ...line, site: -1 },
    { ...line, site: 1.5 },
    { ...line, site: 2 ** 60 },
    { ...line, site: '1' },
    { ...line, live: -1 },
    { ...line, live: 1e300 },
    { ...line, variance: null },
    { ...line, variance: 1e300 },
    { ...line, samples: 'x' },
    { ...line, more: 1, site: 2 },
  ]
  assert.deepEqual(hostile({ sites: lines }).sites, [line, { ...line, site: 2 }])
  for (const sites of [null, 5, 'x', {}]) assert.equal(hostile({ sites, siteDefs: sites }).sites, undefined)
  assert.equal(hostile({ sites: Array(1000).fill(line) }).sites!.length, MOST_SITES)
  assert.equal(hostile({ siteDefs: Array(1000).fill(define(1)) }).siteDefs!.length, MOST_SITES)

  const wrong = [
    { owner: '__proto__' },
    { owner: 'file' },
    { kind: 'leak' },
    { region: 5 },
    { function: null },
    { file: {} },
    { line: -1 },
    { line: 1e12 },
    { line: '7' },
    { stack: 'deep' },
    { site: null },
  ]
  assert.deepEqual(hostile({ siteDefs: [...wrong.map((part) => ({ ...define(1), ...part })), define(2)] }).siteDefs, [
    define(2),
  ])

  const frame = define(1).stack[0]!
  const long = 'x'.repeat(100_000)
  const [cut] = hostile({
    siteDefs: [
      { ...define(1), function: long, file: long, region: long, stack: [{ ...frame, file: long, kind: 'js' }] },
    ],
  }).siteDefs!
  for (const text of [cut!.function, cut!.file, cut!.region, cut!.stack[0]!.file]) {
    assert.equal(text.length, MOST_SITE_CHARACTERS)
  }
  const odd = [{ ...frame, kind: 'wasm' }, { ...frame, column: -1 }, null, [], { ...frame, function: 3 }, frame]
  assert.deepEqual(hostile({ siteDefs: [define(1, { stack: odd as StackFrame[] })] }).siteDefs![0]!.stack, [frame])
  const deep = define(1, { stack: Array(5000).fill(frame) })
  assert.equal(hostile({ siteDefs: [deep] }).siteDefs![0]!.stack.length, MOST_SITE_FRAMES)
})

test('what a site is, is written with the next line when the disk did not take its own', (t) => {
  const folder = temporaryFolder(t)
  const inTheWay = write(folder, 'out', '')
  const timeline = writer(join(folder, 'out', 'timeline.ndjson'))
  timeline.appendSync({ ...reading(1), siteDefs: [define(1)] })
  rmSync(inTheWay)
  timeline.appendSync({ ...reading(2), siteDefs: [define(2)] })
  timeline.appendSync(reading(3))
  const { readings } = read(timeline.path)
  assert.deepEqual(
    readings.map(({ siteDefs }) => siteDefs),
    [[define(1), define(2)], undefined],
  )
})

test('what a site is, is written with the next line when its own was dropped', async (t) => {
  const timeline = writer(join(temporaryFolder(t), 'timeline.ndjson'))
  timeline.append(reading(1))
  timeline.append({ ...reading(2), siteDefs: [define(2)] })
  await wait(50)
  timeline.appendSync(reading(3))
  assert.deepEqual(
    read(timeline.path).readings.map(({ t: at, siteDefs }) => [at, siteDefs]),
    [
      [1, undefined],
      [3, [define(2)]],
    ],
  )
})

test('sites with long names and deep stacks are spread over several lines, none too long to be read', (t) => {
  const timeline = writer(join(temporaryFolder(t), 'timeline.ndjson'))
  const name = '名'.repeat(MOST_SITE_CHARACTERS)
  const frame: StackFrame = { function: name, file: name, line: 1, column: 1, kind: 'js' }
  const stack = Array(MOST_SITE_FRAMES).fill(frame)
  const defs = Array.from({ length: MOST_SITES }, (_, i) => define(i, { function: name, stack }))
  timeline.appendSync({ ...reading(0), siteDefs: defs })
  for (let at = 1; at < MOST_SITES; at++) timeline.appendSync(reading(at))
  const { readings, skipped } = read(timeline.path)
  assert.equal(skipped, 0)
  assert.deepEqual(
    readings.flatMap(({ siteDefs }) => siteDefs ?? []),
    defs,
  )
})

test('a line of many megabytes, with or without an end, is skipped without being kept', (t) => {
  const long = 'x'.repeat(5 << 20)
  const line = (at: number) => JSON.stringify(reading(at))
  const path = write(temporaryFolder(t), 'timeline.ndjson', `${line(1)}\n${long}\n${line(2)}\n${long}`)
  const { readings, skipped } = read(path)
  assert.equal(readings.length, 2)
  assert.equal(skipped, 2)
})

test('readings are whole wherever the chunks of the file end', (t) => {
  const lines = Array.from({ length: 5000 }, (_, i) => `${JSON.stringify(reading(i))}${' '.repeat(i % 97)}`)
  const path = write(temporaryFolder(t), 'timeline.ndjson', lines.join('\n'))
  const { readings, skipped } = read(path)
  assert.equal(skipped, 0)
  assert.ok(readings.every(({ t: at }, i) => at === i))
  assert.equal(readings.length, 5000)
})

test('what is no timeline is an error that says what to give', (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'sub'))
  symlinkSync('/dev/zero', join(folder, 'zero'))
  assert.equal(spawnSync('mkfifo', [join(folder, 'fifo')]).status, 0)
  for (const name of ['missing', 'sub', 'zero', 'fifo']) {
    assert.throws(() => read(join(folder, name)), { code: 'ERR_TIDEMARK_RUN_FOLDER' }, name)
  }
})

test('a full disk is said once, and each later reading is tried again', async (t) => {
  const path = join(temporaryFolder(t), 'timeline.ndjson')
  symlinkSync('/dev/full', path)
  const problems: TidemarkError[] = []
  const timeline = writer(path, problems)
  timeline.appendSync(reading(1))
  timeline.append(reading(2))
  await wait(50)
  timeline.appendSync(reading(3))
  assert.equal(problems.length, 1)
  assert.equal(problems[0]!.code, 'ERR_TIDEMARK_OUT_WRITE')
  assert.match(problems[0]!.message, /ENOSPC.*free some space/)
})

test('a folder that appears later is written to then, with the run that was held back', (t) => {
  const folder = temporaryFolder(t)
  const inTheWay = write(folder, 'out', '')
  const problems: TidemarkError[] = []
  const timeline = writer(join(folder, 'out', 'timeline.ndjson'), problems)
  timeline.appendSync(reading(1))
  rmSync(inTheWay)
  timeline.appendSync(reading(2))
  assert.equal(problems.length, 1)
  assert.deepEqual(read(timeline.path).readings, [{ ...reading(2), run: RUN }])
})

/** A disk of 8 KiB; null where this user may not mount one. */
function tinyDisk(t: TestContext): string | null {
  let mounted: string | undefined
  // Hooks run in the order of their making: this one before the folder is removed. Lazily, as the timeline is still open.
  t.after(() => mounted && spawnSync('umount', ['-l', mounted]))
  const folder = temporaryFolder(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', folder]).status !== 0) return null
  mounted = folder
  return folder
}

test('when a full disk has room again the timeline goes on, on a line of its own', (t) => {
  const folder = tinyDisk(t)
  if (folder === null) return t.skip('may not mount')
  const ballast = write(folder, 'ballast', 'x'.repeat(4096))
  const path = join(folder, 'timeline.ndjson')
  const timeline = writer(path)
  for (let at = 1; at < 1000; at++) {
    timeline.appendSync(reading(at))
    if (!readFileSync(path, 'utf8').endsWith('\n')) break
  }
  const { readings: before, skipped } = read(path)
  assert.equal(skipped, 1, 'the disk took part of a line')
  rmSync(ballast)
  timeline.appendSync(reading(2000))
  const { readings: after } = read(path)
  assert.deepEqual(after, [...before, reading(2000)])
})
