import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Detector } from '#dist/growth/detector'
import { SiteSeries } from '#dist/growth/site-trend'
import { Sites, siteName, siteSentence } from '#dist/growth/sites'
import type { Owner } from '#dist/owners'
import { MOST_SITES, type Reading, type SiteDef, type SiteLine } from '#dist/readings/reading'
import { random } from './random.js'

const MIB = 2 ** 20
const HOUR = 3600

function define(site: number, more: Partial<SiteDef> = {}): SiteDef {
  return {
    site,
    function: `site${site}`,
    file: '/app/a.js',
    line: site,
    region: '',
    kind: '',
    owner: 'malloc',
    stack: [{ function: `site${site}`, file: '/app/a.js', line: site, column: 1, kind: 'js' }],
    ...more,
  }
}

/** `live` MiB in samples of 512 KiB. */
function count(site: number, live: number): SiteLine {
  return { site, live: live * MIB, variance: live * MIB * MIB * 0.5, samples: live * 2 }
}

interface Script {
  seconds?: number
  defs: SiteDef[]
  /** MiB by site, after so many seconds. */
  sites: (second: number) => Record<number, number>
  /** MiB by owner, to which a MiB of noise is added. */
  owners: (second: number) => Partial<Record<Owner, number>>
}

/** A reading a second, sites in every second one. */
function run({ seconds = 120, defs, sites, owners }: Script): Detector {
  const { noise } = random(21)
  const wander = noise(0.3, MIB)
  const detector = new Detector()
  for (let second = 0; second <= seconds; second++) {
    const bytes = Object.entries(owners(second)).map(([owner, mib]) => [owner, mib * MIB + wander()] as const)
    const rss = bytes.reduce((sum, [, value]) => sum + value, 0)
    const reading: Reading = {
      t: 1.7e12 + second * 1000,
      rss,
      anon: rss,
      file: 0,
      shmem: 0,
      swap: 0,
      owners: Object.fromEntries(bytes),
    }
    if (second % 2 === 0) reading.sites = Object.entries(sites(second)).map(([site, live]) => count(Number(site), live))
    if (second === 0) reading.siteDefs = defs
    detector.add(reading)
  }
  return detector
}

test('sites that began at different times are one leak with the numbers of one time', () => {
  const verdict = run({
    seconds: 600,
    defs: [define(1, { owner: 'js-heap' }), define(2, { owner: 'js-heap' })],
    sites: (s) => ({ 1: 20 + 0.2 * s, 2: 20 + 2 * Math.max(0, s - 500) }),
    // Without major collections, it does not say itself whether it leaks.
    owners: (s) => ({ 'js-heap': 100 + 0.4 * s + 4 * Math.max(0, s - 500), file: 40 }),
  }).verdict()
  assert.deepEqual([verdict.kind, verdict.causes.length], ['leak', 1])
  const [, from, to, minutes] = /^js-heap \(live at its sites\) (\d+) MiB → (\d+) MiB in ([\d.]+) min/m
    .exec(verdict.evidence.join('\n'))!
    .map(Number)
  const rate = verdict.causes[0]!.growth.bytesPerHour / MIB / 60
  assert.ok(Math.abs((to! - from!) / (rate * minutes!) - 1) < 0.1, `${from} to ${to} in ${minutes} min`)
})

test('a leak names the sites that grow, fastest first, and none that is level or of another owner', () => {
  const verdict = run({
    defs: [define(1), define(2, { region: 'upload' }), define(3), define(4, { owner: 'js-heap' })],
    sites: (s) => ({ 1: 20 + 0.5 * s, 2: 20 + 2 * s, 3: 100, 4: 20 + s }),
    owners: (s) => ({ malloc: 200 + 2.5 * s, file: 40 }),
  }).verdict()
  assert.equal(verdict.kind, 'leak')
  const [cause] = verdict.causes
  assert.deepEqual(
    cause!.sites.map((site) => [site.function, site.region]),
    [
      ['site2', 'upload'],
      ['site1', null],
    ],
  )
  const [fastest] = cause!.sites
  assert.ok(Math.abs(fastest!.bytesPerHour - 2 * HOUR * MIB) < 3 * fastest!.bytesPerHourError)
  assert.equal(fastest!.liveBytes, 260 * MIB)
  assert.equal(fastest!.standardError, Math.sqrt(130) * MIB)
  assert.equal(fastest!.stack.length, 1)
  assert.match(cause!.remedy, /^site2 \(\/app\/a\.js:2\) allocates what stays/)
  const said = verdict.evidence.filter((sentence) => sentence.includes('keeps'))
  assert.equal(said.length, 2)
  assert.match(
    said[0]!,
    /^of malloc, site2 \(\/app\/a\.js:2\) keeps 260 MiB ± 11 MiB .* in region 'upload', growing by 2 MiB\/s ± /,
  )
})

test('where the owner leaks, the site that has most of its growth is named though it alone would not be known to grow', () => {
  const script: Script = {
    defs: [define(1), define(2)],
    sites: (s) => ({ 1: 30 + 0.15 * s, 2: 4 }),
    owners: (s) => ({ malloc: 200 + 0.15 * s, file: 40 }),
  }
  const sites = new Sites()
  for (let s = 0; s <= 120; s += 2) sites.add(s * 1000, { sites: [count(1, 30 + 0.15 * s)], siteDefs: [define(1)] })
  assert.deepEqual(sites.growing(), [])
  const named = (more: Partial<Script>) => {
    const [cause] = run({ ...script, ...more }).verdict().causes
    assert.equal(cause!.kind, 'leak')
    return cause!.sites.map(({ line }) => line)
  }
  assert.deepEqual(named({}), [1])
  const alike = (s: number) => ({ 1: 30 + 0.15 * s, 2: 30 + 0.12 * s })
  assert.deepEqual(named({ sites: alike, owners: (s) => ({ malloc: 200 + 0.27 * s }) }), [], 'two that are alike')
  assert.deepEqual(named({ owners: (s) => ({ malloc: 200 + s }) }), [], 'not most of the growth')
  assert.deepEqual(named({ defs: [define(1, { kind: 'cache', region: 'thumbnails' }), define(2)] }), [], 'a cache')
})

test('sites that leak make a leak of an owner whose own series cannot tell: a JS heap that grows between few major GCs', () => {
  const script: Script = {
    defs: [define(1, { owner: 'js-heap' })],
    sites: (s) => ({ 1: 10 + s }),
    owners: (s) => ({ 'js-heap': 50 + 3 * s, file: 40 }),
  }
  assert.equal(run({ ...script, sites: () => ({}) }).verdict().kind, 'unknown')
  const verdict = run(script).verdict()
  assert.equal(verdict.kind, 'leak')
  const [cause] = verdict.causes
  assert.equal(cause!.owner, 'js-heap')
  assert.ok(Math.abs(cause!.growth.bytesPerHour / (HOUR * MIB) - 1) < 0.1)
  assert.ok(cause!.growth.low < HOUR * MIB && cause!.growth.high > HOUR * MIB)
  assert.ok(verdict.evidence.some((sentence) => /^js-heap \(live at its sites\) .* MiB → 130 MiB/.test(sentence)))
})

test('an owner that is level has no leak, whatever moves from one site to another inside it', () => {
  const verdict = run({
    defs: [define(1), define(2)],
    sites: (s) => ({ 1: 10 + s, 2: 200 - s }),
    owners: () => ({ malloc: 300, file: 40 }),
  }).verdict()
  assert.equal(verdict.kind, 'steady')
})

test('a slow leak that bursts of others hide is found by its site', () => {
  const { uniform } = random(13)
  const bursts = Array.from({ length: 400 }, () => 60 * uniform() ** 2)
  const verdict = run({
    seconds: 120,
    defs: [define(1), define(2)],
    sites: (s) => ({ 1: 4 + 0.25 * s, 2: 10 }),
    owners: (s) => ({ malloc: 30 + 0.25 * s + bursts[s]!, file: 40 }),
  }).verdict()
  assert.equal(verdict.kind, 'leak')
  assert.equal(verdict.causes[0]!.sites[0]!.function, 'site1')
})

test('a declared cache is named as one and not accused; it alone makes no leak', () => {
  const cache = define(1, { region: 'thumbnails', kind: 'cache' })
  const script: Script = {
    defs: [cache, define(2)],
    sites: (s) => ({ 1: 10 + s, 2: 50 }),
    owners: (s) => ({ malloc: 200 + s, file: 40 }),
  }
  const verdict = run(script).verdict()
  assert.equal(verdict.kind, 'unknown')
  assert.deepEqual(verdict.causes, [])
  assert.ok(
    verdict.evidence.some((sentence) =>
      /site1 .* in region 'thumbnails', which is declared a cache, growing/.test(sentence),
    ),
  )
  assert.ok(
    verdict.evidence.some((sentence) =>
      /^malloc unknown: grows with region 'thumbnails', declared a cache/.test(sentence),
    ),
  )

  const undeclared = run({ ...script, defs: [{ ...cache, kind: '' }, define(2)] }).verdict()
  assert.equal(undeclared.causes[0]!.sites[0]!.function, 'site1')

  const leaksToo = run({
    ...script,
    sites: (s) => ({ 1: 10 + s, 2: 50 + s }),
    owners: (s) => ({ malloc: 200 + 2 * s }),
  })
  assert.deepEqual(
    leaksToo.verdict().causes[0]!.sites.map((site) => site.function),
    ['site2'],
  )

  const cannotAccount = run({ ...script, owners: (s) => ({ malloc: 200 + 10 * s }) }).verdict()
  assert.equal(cannotAccount.kind, 'leak')
  assert.deepEqual(cannotAccount.causes[0]!.sites, [])
})

test('a cause names ten sites at most', () => {
  const all = Array.from({ length: 30 }, (_, i) => i + 1)
  const verdict = run({
    defs: all.map((site) => define(site)),
    sites: (s) => Object.fromEntries(all.map((site) => [site, 10 + (s * site) / 10])),
    owners: (s) => ({ malloc: 200 + 46 * s }),
  }).verdict()
  assert.deepEqual(
    verdict.causes[0]!.sites.map((site) => site.line),
    [30, 29, 28, 27, 26, 25, 24, 23, 22, 21],
  )
})

test('a site may be defined after it was counted first, and is not named before', () => {
  const sites = new Sites()
  for (let second = 0; second <= 60; second++) {
    sites.add(second * 1000, { sites: [count(7, 10 + second)], ...(second === 40 && { siteDefs: [define(7)] }) })
    assert.equal(sites.growing().length > 0, second >= 40)
  }
})

test('sites of the JS heap are remembered over readings for which it was not read', () => {
  const sites = new Sites()
  const siteDefs = [define(1, { owner: 'js-heap' }), define(2, { owner: 'js-heap' }), define(3)]
  for (let second = 0; second <= 60; second++) {
    const heap = second % 5 === 0 ? [count(1, 10 + second)] : []
    sites.add(second * 1000, { sites: [...heap, count(3, 50)], ...(second === 0 && { siteDefs }) })
  }
  sites.add(61e3, { sites: [count(3, 50)] })
  assert.deepEqual(
    sites.growing().map(({ def }) => def.site),
    [1],
  )
  sites.add(62e3, { sites: [count(2, 5), count(3, 50)] })
  assert.deepEqual(sites.held(), { series: 2, defs: 3 })
})

test('what is held is bounded, whatever the lines say', () => {
  const sites = new Sites()
  for (let round = 0; round < 50; round++) {
    const ids = Array.from({ length: 500 }, (_, i) => round * 500 + i)
    sites.add(round * 1000, { sites: ids.map((id) => count(id, 1)), siteDefs: ids.map((id) => define(id)) })
  }
  assert.deepEqual(sites.held(), { series: MOST_SITES, defs: 2 * MOST_SITES })
  for (let second = 50; second < 100; second++) sites.add(second * 1000, { sites: [count(1, second), count(1, 500)] })
  assert.equal(sites.held().series, 1)
})

test('what says of a site why it is no function of the program, is said', () => {
  const trend = new SiteSeries()
  for (let s = 0; s < 3; s++) trend.add(s * 1000, { live: s * MIB, variance: 0, samples: 9 })
  const sentence = (def: SiteDef, inlinedInto?: string) =>
    siteSentence({ def, trend: trend.trend(), ...(inlinedInto && { inlinedInto }) })
  assert.match(sentence(define(1)), /^of malloc, site1 \(\/app\/a\.js:1\) keeps /)
  assert.match(
    sentence(define(1, { function: 'AllocForZlib', file: '/usr/bin/node', line: 0, thread: 'libuv pool' })),
    /^of malloc, AllocForZlib \(node\) \(of thread 'libuv pool', with no JavaScript on its stack\) keeps /,
  )
  assert.match(sentence(define(1), 'handle'), / \(V8 has since inlined it into handle\) keeps /)
})

test('a native function is named without what templates and compilers add, in the file that holds it', () => {
  const name = (called: string, file = '/usr/bin/node', line = 0) => siteName({ function: called, file, line })
  assert.equal(
    name('node::(anonymous namespace)::CompressionStream<node::(anonymous namespace)::Zlib<int>>::AllocForZlib'),
    'node::CompressionStream::AllocForZlib (node)',
  )
  assert.equal(name('bool app::operator< <int>(int)'), 'bool app::operator< <int>(int) (node)')
  assert.equal(name('add', 'lib/images.node'), 'add (lib/images.node)')
  assert.equal(name('', ''), '(anonymous)')
  assert.equal(name('a<b>', '/app/a.js', 3), 'a<b> (/app/a.js:3)')
})
