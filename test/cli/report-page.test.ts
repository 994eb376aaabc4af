import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reading, Site, Verdict } from 'tidemark'
import { History } from '#dist/report/history'
import { Html, jsonScript } from '#dist/report/html'
import { renderReport } from '#dist/report/page'

const MIB = 2 ** 20
const HOSTILE = `</script><script>alert(1)</script><img src=x onerror=alert(1)>"'&`

const VERDICT: Verdict = {
  version: 1,
  kind: 'leak',
  causes: [
    {
      owner: 'malloc',
      kind: 'leak',
      growth: { bytesPerHour: 60 * MIB, low: 50 * MIB, high: 70 * MIB },
      sites: [],
      remedy: 'Close <it>.',
    },
  ],
  limit: { bytes: 80 * MIB, source: 'cgroup', reachedInMs: 60_000 },
  evidence: ['a < b'],
}

function run(readings: number, more: Partial<Reading> = {}) {
  const history = new History()
  for (let i = 0; i < readings; i++) {
    const owners = { malloc: (10 + i) * MIB, file: 30 * MIB, unexplained: -4096 }
    history.add({ t: i * 1000, rss: (40 + i) * MIB, anon: MIB, file: 0, shmem: 0, swap: 0, owners, ...more })
  }
  const info = {
    tidemark: '1.2.3',
    node: 'v20',
    pid: 42,
    script: HOSTILE,
    argv: ['secret'],
    intervalMs: 1,
    startedAt: '2026',
  }
  return { verdict: VERDICT, history, info }
}

test('nothing that a name holds becomes markup', () => {
  const regions = { [HOSTILE]: { calls: 1, measured: 1, wallMs: 1, cpuMs: 1, rss: Number.NaN, anon: 2 } }
  const page = renderReport(run(5, { regions }))
  assert.equal(page.match(/<script>alert|<img|<it>/), null)
  assert.equal(page.match(/<script/g)?.length, 2, 'its data and its own script')
  assert.equal(page.match(/<\/script>/g)?.length, 2)
  assert.match(page, /a &#60; b/)
})

test('data inside a script cannot end it, and reads back as it was', () => {
  const { text } = jsonScript('data', { name: HOSTILE, comment: '<!--' })
  const json = text.slice(text.indexOf('>') + 1, -'</script>'.length)
  assert.ok(!json.includes('<'))
  assert.deepEqual(JSON.parse(json), { name: HOSTILE, comment: '<!--' })
})

test('the page needs nothing from outside and says so to the browser', () => {
  const page = renderReport({ ...run(5), info: undefined })
  assert.equal(page.match(/https?:|src=|href=|@import|url\(/), null)
  assert.match(page, /Content-Security-Policy" content="default-src 'none'/)
})

test('memory that is held and does not grow is a number of bytes, not a rate', () => {
  const held = { owner: 'malloc-free', kind: 'retention', heldBytes: 25 * MIB, sites: [], remedy: '' } as const
  const cause = { ...held, sites: [], growth: { bytesPerHour: 0, low: 0, high: 0 } }
  const page = renderReport({ ...run(5), verdict: { ...VERDICT, kind: 'retention', causes: [cause] } })
  assert.match(page, /<dt>malloc-free<\/dt><dd>25 MiB<small>held all the time<\/small>/)
})

test('verdict, chart, owners, limit, remedy and evidence are there without the script', () => {
  const page = renderReport(run(20)).replace(/<script[\s\S]*?<\/script>/g, '')
  for (const part of [
    /<h1>malloc grows by 1 MiB\/min and goes on growing<\/h1>/,
    /<path class="area" style="fill:var\(--malloc\)" d="M0 /,
    /<path class="rss"/,
    /<path class="limit"/,
    /40 MiB → 59 MiB/,
    /Close &#60;it&#62;\./,
    /\+19 MiB/,
    /20 readings over 19 s/,
  ]) {
    assert.match(page, part)
  }
})

test('sites are listed with growth, live bytes and region, and each unfolds to its stack', () => {
  const site: Site = {
    bytesPerHour: 30 * MIB,
    bytesPerHourError: 3 * MIB,
    liveBytes: 12 * MIB,
    standardError: 2 * MIB,
    function: HOSTILE,
    file: '/app/keep.js',
    line: 7,
    region: '<upload>',
    stack: [
      { function: 'calloc', file: '/lib/libc.so', line: 0, column: 0, kind: 'native' },
      { function: HOSTILE, file: '/app/keep.js', line: 7, column: 3, kind: 'js' },
    ],
  }
  const faster = { ...site, bytesPerHour: 40 * MIB, function: 'faster', stack: [] }
  const verdict = { ...VERDICT, causes: [{ ...VERDICT.causes[0]!, sites: [site, faster] }] }
  const page = renderReport({ ...run(5), verdict })
  const section = page.slice(page.indexOf('<h2>Allocated by</h2>'), page.indexOf('<h2>Resident memory'))
  assert.match(section, /<details><summary>.*keep\.js:7.*<li>calloc <small>\/lib\/libc\.so<\/small><\/li>.*<\/details>/)
  assert.match(section, /30 MiB\/h ± 3 MiB/)
  assert.match(section, /12 MiB ± 2 MiB/)
  assert.match(section, /&#60;upload&#62;/)
  assert.equal(section.match(/<details>/g)?.length, 1, 'nothing to unfold where the stack is not known')
  assert.ok(section.indexOf('faster') < section.indexOf('/app/keep.js:7</small></summary>'), 'fastest first')
  assert.equal(page.match(/<script>alert|<img/), null)
  assert.doesNotMatch(renderReport(run(5)), /Allocated by/)
})

test('the flame graph is part of the page where there is a profile', () => {
  const page = renderReport({ ...run(5), flameGraph: new Html('<i>flames</i>') })
  assert.match(page, /<h2>Live memory by stack<\/h2>\s*<i>flames<\/i>/)
  assert.doesNotMatch(renderReport(run(5)), /by stack/)
})

test('a limit that is far away is not drawn: it would press the picture flat', () => {
  const far = { ...VERDICT, limit: { ...VERDICT.limit!, bytes: 1000 * MIB } }
  assert.ok(!renderReport({ ...run(20), verdict: far }).includes('<path class="limit"'))
})

test('the words that the script was given, which may be secrets, are not in the page', () => {
  assert.doesNotMatch(renderReport(run(5)), /secret/)
})

test('no coordinate is NaN, whatever is missing', () => {
  for (const readings of [1, 2]) {
    for (const more of [{}, { owners: {} }, { t: 5 }, { rss: 0, owners: {} }, { anon: Number.NaN }]) {
      const page = renderReport({ ...run(readings, more), info: undefined })
      assert.equal(page.match(/.{0,60}(NaN|undefined|Infinity).{0,60}/)?.[0], undefined)
    }
  }
})

test('a page of a long run is not longer than that of a short one by more than its points', () => {
  assert.ok(renderReport(run(20_000)).length < 200_000)
})
