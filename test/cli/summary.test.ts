import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Owner, Reading, Site, Verdict } from 'tidemark'
import { rowsOf } from '#dist/cli/live-block'
import { sparkline } from '#dist/cli/sparkline'
import { summarise } from '#dist/cli/summary'
import { table } from '#dist/cli/table'
import { plain, styleFor } from '#dist/cli/terminal'
import { printable } from '#dist/printable'
import { History } from '#dist/report/history'

const MIB = 2 ** 20

/** One reading a second; what is given of owners is added to 40 MiB of files. */
function history(seconds: number, owners: (s: number) => Partial<Record<Owner, number>>): History {
  const seen = new History()
  for (let s = 0; s < seconds; s++) {
    const bytes = { file: 40 * MIB, ...owners(s) }
    const rss = Object.values(bytes).reduce((a, b) => a + b, 0)
    const reading: Reading = { t: s * 1000, rss, anon: rss, file: 0, shmem: 0, swap: 0, owners: bytes }
    if (s === seconds - 1) reading.regions = { '/up\u001b[31mload': regionLine(30 * MIB), '/quiet': regionLine(1000) }
    seen.add(reading)
  }
  return seen
}

function regionLine(rss: number) {
  return { calls: 100, measured: 10, wallMs: 1, cpuMs: 1, rss, anon: rss }
}

const LEAK: Verdict = {
  version: 1,
  kind: 'leak',
  causes: [
    {
      owner: 'malloc',
      kind: 'leak',
      growth: { bytesPerHour: 3600 * 10 * MIB, low: 3600 * 9 * MIB, high: 3600 * 11 * MIB },
      sites: [],
      remedy: 'Close what you open.',
    },
  ],
  limit: { bytes: 512 * MIB, source: 'cgroup', reachedInMs: 32 * 60_000 },
  evidence: ['20 readings over 20 s'],
}

test('a leak is said in about ten lines: who, how fast, until when, what to do, where', () => {
  const seen = history(20, (s) => ({ malloc: 5 * MIB + s * 10 * MIB, 'js-heap': 5 * MIB + s * MIB, mmap: MIB }))
  const text = summarise({ verdict: LEAK, history: seen, ended: 'exit code 3', folder: 'tidemark-x' }, plain)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  assert.ok(lines.length <= 12, text)
  for (const part of [
    /LEAK.*malloc grows by 10 MiB\/s/,
    /RSS +51 MiB → 260 MiB +▁.*█ +in 19 s, peak 260 MiB/,
    /malloc +\+190 MiB +▁.*█ +leak: 10 MiB\/s \(9 MiB to 11 MiB\)/,
    /js-heap +\+19 MiB/,
    /512 MiB \(container\), reached in 32 min/,
    /Close what you open/,
    /region +\/up\\u001b\[31mload \+30 MiB of RSS in 100 calls, 10 measured/,
    /exit code 3/,
    /tidemark-x/,
  ]) {
    assert.match(text, part)
  }
  assert.doesNotMatch(text, /mmap|quiet/, 'what did not grow has no line')
  assert.ok(!text.includes('\u001b'), 'a name from outside cannot write escapes')
})

const SITE: Site = {
  bytesPerHour: 3600 * 9 * MIB,
  bytesPerHourError: 3600 * MIB,
  liveBytes: 180 * MIB,
  standardError: 9 * MIB,
  function: 'keep',
  file: '/srv/app/src/keep.js',
  line: 7,
  region: null,
  stack: [{ function: 'keep', file: '/srv/app/src/keep.js', line: 7, column: 3, kind: 'js' }],
}

const NATIVE_SITE: Site = {
  ...SITE,
  bytesPerHour: 3600 * MIB,
  function: 'Resize',
  file: '/srv/app/node_modules/sharp/sharp.node',
  line: 0,
  stack: [
    { function: 'Resize', file: '/srv/app/node_modules/sharp/sharp.node', line: 0, column: 0, kind: 'native' },
    { function: 'emit', file: 'node:events', line: 1, column: 1, kind: 'js' },
    { function: 'thumb\u001b[2J', file: '/srv/app/src/thumb.js', line: 12, column: 1, kind: 'js' },
    { function: 'handle', file: '/opt/lib/web.js', line: 90, column: 1, kind: 'js' },
    { function: 'listen', file: '/opt/lib/web.js', line: 5, column: 1, kind: 'js' },
  ],
}

test('sites are named with rate, function and line, from the current folder; addons with the JavaScript that called them', () => {
  const [cause] = LEAK.causes
  const verdict = { ...LEAK, causes: [{ ...cause!, sites: [SITE, NATIVE_SITE, NATIVE_SITE, NATIVE_SITE] }] }
  const text = summarise({ verdict, history: history(20, (s) => ({ malloc: s * 10 * MIB })), cwd: '/srv/app' }, plain)
  assert.match(text, /grows by 10 MiB\/s and goes on growing, most of it from keep \(keep\.js:7\)\n/)
  const from = text.indexOf('  allocated by')
  assert.deepEqual(text.slice(from).split('\n').slice(0, 5), [
    '  allocated by   9 MiB/s ± 1 MiB      keep (src/keep.js:7)',
    '                 1 MiB/s ± 1 MiB      Resize (node_modules/sharp/sharp.node)',
    '                   called by thumb\\u001b[2J (src/thumb.js:12)',
    '                   called by handle (/opt/lib/web.js:90)',
    '                 1 MiB/s ± 1 MiB      Resize (node_modules/sharp/sharp.node)',
  ])
  assert.equal(text.match(/Resize/g)?.length, 2, 'three sites at most')
})

test('a site is in the headline only when most of the growth is its own, and cannot write escapes there', () => {
  const [cause] = LEAK.causes
  const headlineOf = (site: Site) => {
    const verdict = { ...LEAK, causes: [{ ...cause!, sites: [site] }] }
    return summarise({ verdict, history: history(2, () => ({})) }, plain).split('\n')[1]!
  }
  assert.doesNotMatch(headlineOf(NATIVE_SITE), /Resize/)
  const most = { ...NATIVE_SITE, bytesPerHour: 9 * 3600 * MIB }
  assert.match(headlineOf(most), /most of it from Resize \(sharp\.node\), called by thumb\S* \(thumb\.js:12\)$/)
  assert.match(headlineOf({ ...SITE, function: 'k\u001b[31m' }), /from k\\u001b\[31m \(keep\.js:7\)/)
})

test('where a library allocates in many places for one call of the program, the headline names the call', () => {
  const [cause] = LEAK.causes
  const parts = ['Grow', 'Copy', 'Pad'].map((name): Site => {
    const [leaf, ...callers] = NATIVE_SITE.stack
    const wrapper = { ...callers[1]!, function: 'wrap', file: '/srv/app/node_modules/sharp/index.js' }
    return {
      ...NATIVE_SITE,
      function: name,
      bytesPerHour: 2 * 3600 * MIB,
      stack: [{ ...leaf!, function: name }, wrapper, ...callers],
    }
  })
  const verdict = { ...LEAK, causes: [{ ...cause!, sites: parts }] }
  const [, line] = summarise({ verdict, history: history(2, () => ({})) }, plain).split('\n')
  assert.match(line!, /most of it in calls from thumb\S* \(thumb\.js:12\)$/)
})

test('of an unknown verdict the reason is said for what changed most', () => {
  const evidence = ['5 readings', 'mmap unknown: a', 'malloc unknown: b', 'file unknown: c']
  const verdict: Verdict = { version: 1, kind: 'unknown', causes: [], limit: null, evidence }
  const text = summarise({ verdict, history: history(5, (s) => ({ malloc: s * MIB, mmap: s })) }, plain)
  assert.match(text, /because +malloc unknown: b\n +because +mmap unknown: a\n/)
  assert.doesNotMatch(text, /file unknown/)
})

const RETENTION: Verdict = {
  version: 1,
  kind: 'retention',
  causes: [
    {
      owner: 'malloc-free',
      kind: 'retention',
      growth: { bytesPerHour: 0, low: -MIB, high: MIB },
      heldBytes: 280 * MIB,
      sites: [],
      remedy: 'Set it free.',
    },
  ],
  limit: null,
  evidence: [],
}

function historyOf(free: number, trimmable = free): History {
  const seen = history(20, () => ({ malloc: 11 * MIB, 'malloc-free': free }))
  const held = { name: 'glibc', live: 11 * MIB, free, trimmable, inThreadArenas: 0 } as const
  seen.add({ ...seen.last!, t: 20_000, file: 0, shmem: 0, swap: 0, allocator: held })
  return seen
}

test('memory that the allocator keeps is said in bytes, and what trim would give back', () => {
  const text = summarise({ verdict: RETENTION, history: historyOf(287 * MIB, 192 * MIB) }, plain)
  for (const part of [
    /RETENTION +The allocator keeps 280 MiB that the program has freed$/m,
    /malloc-free +0 B +\S+ +retention: 280 MiB held all the time$/m,
    /allocator +glibc keeps 287 MiB free; trim would give back 192 MiB$/m,
    /Set it free/,
  ]) {
    assert.match(text, part)
  }
  const growth = { bytesPerHour: 3600 * MIB, low: 3500 * MIB, high: 3700 * MIB }
  const growing = { ...RETENTION, causes: [{ ...RETENTION.causes[0]!, growth }] }
  const more = summarise({ verdict: growing, history: historyOf(287 * MIB, Number.NaN) }, plain)
  assert.match(more, /keeps 280 MiB that the program has freed, and 1 MiB\/s more$/m)
  assert.match(more, /retention: 1 MiB\/s \(996 KiB to 1 MiB\)$/m)
  assert.match(more, /allocator +glibc keeps 287 MiB free$/m)
})

test('the allocator has a line only where what it keeps is worth one', () => {
  assert.doesNotMatch(summarise({ verdict: LEAK, history: historyOf(20 * MIB) }, plain), /allocator/)
  assert.match(summarise({ verdict: LEAK, history: historyOf(40 * MIB) }, plain), /allocator +glibc keeps 40 MiB free/)
  assert.match(summarise({ verdict: RETENTION, history: historyOf(20 * MIB) }, plain), /allocator +glibc keeps 20 MiB/)
})

test('one reading without owners is enough for a summary', () => {
  const seen = new History()
  seen.add({ t: 0, rss: MIB, anon: Number.NaN, file: Number.NaN, shmem: Number.NaN, swap: Number.NaN, owners: {} })
  const verdict: Verdict = { version: 1, kind: 'unknown', causes: [], limit: null, evidence: [] }
  assert.match(summarise({ verdict, history: seen }, plain), /RSS +1 MiB → 1 MiB +▁ +in 0 ms/)
})

test('colours are used on a terminal whose user has not said no to them', () => {
  const saved = process.env.NO_COLOR
  try {
    delete process.env.NO_COLOR
    assert.equal(styleFor({ isTTY: true })('bold', 'x'), '\u001b[1mx\u001b[22m')
    assert.equal(styleFor({ isTTY: false })('bold', 'x'), 'x')
    process.env.NO_COLOR = '1'
    assert.equal(styleFor({ isTTY: true })('bold', 'x'), 'x')
  } finally {
    if (saved === undefined) delete process.env.NO_COLOR
    else process.env.NO_COLOR = saved
  }
})

test('a sparkline spans its width, and flicker below the least range is flat', () => {
  const ramp = Array.from({ length: 100 }, (_, t) => ({ t, value: t }))
  assert.equal(sparkline(ramp, 8, 0), '▁▂▃▄▅▆▇█')
  assert.equal(sparkline(ramp, 8, 10_000), '▁▁▁▁▁▁▁▁')
  assert.equal(sparkline(ramp.slice(0, 3), 8, 0).length, 8)
  assert.equal(sparkline([], 4, 0), '    ')
  const gap = [0, 1, 2, 97, 98, 99].map((t) => ({ t, value: t }))
  assert.equal(sparkline(gap, 6, 0), '▁▁▁▁▁█')
  const untold = [0, 60].map((t) => ({ t, value: Number.NaN }))
  assert.equal(sparkline([untold[0]!, { t: 20, value: 1 }, { t: 30, value: 9 }, untold[1]!], 6, 0), '▁▁▁███')
})

test('a table aligns its columns and does not pad the last', () => {
  const columns = [
    { title: 'A', align: 'right' },
    { title: 'Name', align: 'left' },
  ] as const
  assert.equal(
    table(columns, [
      ['1', 'x'],
      ['22', 'longer'],
    ]),
    ' A  Name\n 1  x\n22  longer',
  )
})

test('control characters and what reverses text are printed as escapes', () => {
  assert.equal(printable('a\u001b[2Jb\n\u202ec\u0085é日'), 'a\\u001b[2Jb\\u000a\\u202ec\\u0085é日')
})

test('the rows that a text takes count colours as nothing and long lines as several', () => {
  assert.equal(rowsOf('', 80), 0)
  assert.equal(rowsOf('a\n\nb\n', 80), 3)
  assert.equal(rowsOf(`${'x'.repeat(81)}\n`, 80), 2)
  assert.equal(rowsOf(`\u001b[1m${'x'.repeat(80)}\u001b[22m\n`, 80), 1)
})
