/** What can be done with a table of mappings, on tables made by hand. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Mapping, Mappings } from 'tidemark'

const KiB = 1024
const MiB = 1024 * KiB

/** A row as `toJSON` gives it, of anonymous memory all of which is resident, unless said otherwise. */
function row(start: number, size: number, rest: Partial<Mapping> = {}): Partial<Mapping> {
  const anon = rest.anon ?? size
  const rss = rest.rss ?? anon
  return { start, end: start + size, perms: 'rw-p', name: '', owner: 'malloc', rss, pss: rss, anon, swap: 0, ...rest }
}

const table = (...rows: Partial<Mapping>[]) => Mappings.from(rows)

const VSYSCALL = row(0xffffffffff600000, 4 * KiB, { perms: '--xp', name: '[vsyscall]', owner: 'file', anon: 0 })

test('over() keeps the mappings that have more than so many bytes resident', () => {
  const mappings = table(
    row(0x1000, 8 * KiB),
    row(0x10000, MiB),
    row(0x200000, MiB + 4096),
    row(0x800000, 9 * MiB, { anon: 0 }),
  )
  assert.deepEqual(
    mappings
      .over(MiB)
      .rows()
      .map((m) => m.start),
    [0x200000],
  )
  assert.equal(mappings.over(0).length, 3)
  assert.equal(mappings.over(Number.POSITIVE_INFINITY).length, 0)
  for (const bytes of [-1, Number.NaN, '1MiB' as never]) {
    assert.throws(() => mappings.over(bytes), { code: 'ERR_TIDEMARK_ARGUMENT' })
  }
})

test('over() goes by anonymous bytes where no others were read', () => {
  const mappings = table(row(0x1000, MiB, { rss: Number.NaN }), row(0x800000, 2 * MiB, { rss: Number.NaN }))
  assert.deepEqual(
    mappings
      .over(MiB)
      .rows()
      .map((m) => m.start),
    [0x800000],
  )
})

test('columns, rows and totals agree', () => {
  const mappings = table(row(0x1000, 8 * KiB, { swap: 4096 }), row(0x10000, MiB, { pss: 512 * KiB }), VSYSCALL)
  assert.deepEqual([...mappings.column('size')], [8 * KiB, MiB, 4 * KiB])
  assert.deepEqual([...mappings.column('anon')], [8 * KiB, MiB, 0])
  assert.deepEqual(
    [...mappings].map((m) => m.start),
    [...mappings.column('start')],
  )
  assert.deepEqual(mappings.row(1), mappings.rows()[1])
  assert.deepEqual(mappings.totals(), {
    count: 3,
    size: MiB + 12 * KiB,
    rss: MiB + 8 * KiB,
    pss: 512 * KiB + 8 * KiB,
    anon: MiB + 8 * KiB,
    swap: 4096,
  })
  assert.deepEqual(table().totals(), { count: 0, size: 0, rss: 0, pss: 0, anon: 0, swap: 0 })
})

test('a row or a column that is not there is refused', () => {
  const mappings = table(row(0x1000, 8 * KiB))
  for (const r of [-1, 1, 0.5, Number.NaN, '0' as never]) {
    assert.throws(() => mappings.row(r), { code: 'ERR_TIDEMARK_ARGUMENT' }, String(r))
  }
  assert.throws(() => mappings.column('colour' as 'rss'), { code: 'ERR_TIDEMARK_ARGUMENT', message: /colour/ })
  assert.throws(() => mappings.group('perms' as 'name'), { code: 'ERR_TIDEMARK_ARGUMENT', message: /perms/ })
})

test('groups by name sum to the whole, plain anonymous memory being one of them', () => {
  const mappings = table(
    row(0x1000, MiB),
    row(0x400000, 2 * MiB, { name: '[heap]' }),
    row(0x1000000, 3 * MiB),
    row(0x2000000, MiB, { name: '[heap]' }),
  )
  const groups = mappings.group('name')
  assert.deepEqual(
    groups.map((g) => [g.key, g.count, g.rss]),
    [
      ['[anon]', 2, 4 * MiB],
      ['[heap]', 2, 3 * MiB],
    ],
  )
})

test('by owner the written pages of a private file mapping are the program’s and the rest is file', () => {
  const data = row(0x400000, 3 * MiB, {
    name: '/lib/libc.so',
    owner: 'program',
    inode: 7,
    rss: 2 * MiB,
    pss: MiB,
    anon: 512 * KiB,
  })
  const groups = table(data, row(0x1000000, MiB), row(0x2000000, MiB, { owner: 'file', anon: 0, rss: MiB })).group(
    'owner',
  )
  const of = (key: string) => groups.find((g) => g.key === key)!
  assert.equal(of('program').rss, 512 * KiB)
  assert.equal(of('program').anon, 512 * KiB)
  assert.equal(of('file').rss, MiB + 2 * MiB - 512 * KiB)
  assert.equal(of('file').anon, 0)
  assert.equal(of('malloc').rss, MiB)
  assert.equal(
    groups.reduce((sum, g) => sum + g.rss, 0),
    4 * MiB,
  )
})

test('by owner a table of anonymous memory gives no resident bytes that it does not know', () => {
  const nan = Number.NaN
  const groups = table(
    row(0x400000, 3 * MiB, { name: '/lib/libc.so', owner: 'program', inode: 7, rss: nan, pss: nan, anon: 512 * KiB }),
    row(0x1000000, MiB, { rss: nan, pss: nan }),
  ).group('owner')
  assert.deepEqual(
    groups.map((g) => [g.key, g.rss, g.anon]),
    [
      ['malloc', nan, MiB],
      ['program', nan, 512 * KiB],
    ],
  )
})

test('a table survives JSON, the top of the address space and odd names included', () => {
  const mappings = table(
    row(0x1000, MiB, { name: '/srv/two\\012lines (deleted)', device: 'fe:03', inode: 9, flags: 'rd wr', offset: 4096 }),
    row(0x7f0000000000, 2 * MiB, { name: '[anon: x]', perms: 'rwxs', device: 'fff:fffff', owner: 'js-code' }),
    VSYSCALL,
  )
  const again = Mappings.from(JSON.parse(JSON.stringify(mappings)))
  assert.deepEqual(again.rows(), mappings.rows())
  assert.equal(again.row(2).start, 0xffffffffff600000)
  assert.equal(again.row(2).end, 0xffffffffff601000)
  assert.equal(again.row(1).device, 'fff:fffff')
  assert.equal(again.row(1).perms, 'rwxs')
  assert.ok(Number.isNaN(again.row(0).ksm), 'what was not read is not zero')
})

test('rows in any order are put in order of address', () => {
  const mappings = table(VSYSCALL, row(0x400000, MiB), row(0x1000, KiB * 4))
  assert.deepEqual([...mappings.column('start')], [0x1000, 0x400000, 0xffffffffff600000])
})

test('what is no saved table is refused, with the entry that is wrong', () => {
  for (const rows of [
    null,
    {},
    'text',
    [1],
    [null],
    [{ start: 1, end: 2 }],
    [row(1, 1), { ...row(2, 1), anon: '4' }],
  ]) {
    assert.throws(() => Mappings.from(rows), { code: 'ERR_TIDEMARK_FILE' }, JSON.stringify(rows))
  }
  assert.throws(() => Mappings.from([row(1, 1), {}]), { message: /entry 1 has no number 'start'/ })
})

test('the text has a line for each mapping and the totals last, in KiB', () => {
  const text = table(row(0x400000, MiB, { name: '/usr/bin/a b' }), row(0x1000000, 2 * MiB), VSYSCALL).toText()
  const lines = text.trimEnd().split('\n')
  assert.equal(lines.length, 5)
  assert.match(lines[0]!, /Address Perm +Size +RSS +PSS +Anon +Swap Owner +Mapping/)
  assert.match(lines[1]!, /000000400000 rw-p +1024 +1024 +1024 +1024 +0 malloc +\/usr\/bin\/a b$/)
  assert.match(lines[2]!, /000001000000 rw-p +2048 .*malloc +\[anon\]$/)
  assert.match(lines[3]!, /ffffffffff600000 --xp +4 +0 +0 +0 +0 file +\[vsyscall\]$/)
  assert.match(lines[4]!, /total KiB +3076 +3072 +3072 +3072 +0 +3 mappings$/)
})

test('diff: what appeared, grew, shrank and went, largest first', () => {
  const before = table(
    row(0x1000000, 2 * MiB),
    row(0x2000000, 8 * MiB, { anon: MiB }),
    row(0x4000000, 8 * MiB, { anon: 6 * MiB }),
    row(0x8000000, MiB),
  )
  const after = table(
    row(0x2000000, 8 * MiB, { anon: 5 * MiB }),
    row(0x4000000, 8 * MiB, { anon: 2 * MiB }),
    row(0x8000000, MiB),
    row(0xa000000, 3 * MiB),
    row(0xc000000, 4 * MiB),
  )
  const diff = after.diff(before)
  assert.deepEqual(
    diff.appeared.map((c) => [c.start, c.delta]),
    [
      [0xc000000, 4 * MiB],
      [0xa000000, 3 * MiB],
    ],
  )
  assert.deepEqual(
    diff.grew.map((c) => [c.start, c.before, c.after, c.delta]),
    [[0x2000000, MiB, 5 * MiB, 4 * MiB]],
  )
  assert.deepEqual(
    diff.shrank.map((c) => [c.start, c.delta]),
    [[0x4000000, -4 * MiB]],
  )
  assert.deepEqual(
    diff.gone.map((c) => [c.start, c.delta]),
    [[0x1000000, -2 * MiB]],
  )
  assert.equal(diff.anonDelta, 7 * MiB - 2 * MiB)
})

test('diff: a mapping that mprotect has split is one change and no disappearance', () => {
  const whole = table(row(0x1000000, 4 * MiB))
  const split = table(
    row(0x1000000, MiB),
    row(0x1100000, MiB, { perms: 'r--p' }),
    row(0x1200000, 2 * MiB, { anon: 2 * MiB }),
    row(0x1400000, MiB, { anon: 0 }),
  )
  assert.deepEqual(split.diff(whole), { appeared: [], grew: [], shrank: [], gone: [], anonDelta: 0 })
  const grown = table(row(0x1000000, MiB), row(0x1100000, MiB, { perms: 'r--p' }), row(0x1200000, 3 * MiB))
  const { grew, appeared, gone } = grown.diff(whole)
  assert.deepEqual([appeared, gone], [[], []])
  assert.equal(grew.length, 1)
  assert.deepEqual(grew[0], {
    ...grew[0],
    start: 0x1000000,
    end: 0x1500000,
    delta: MiB,
    mappingsBefore: 1,
    mappingsAfter: 3,
  })
})

test('diff: two mappings that have merged are one change', () => {
  const two = table(row(0x1000000, MiB), row(0x1100000, MiB, { perms: 'r--p' }))
  const merged = table(row(0x1000000, 3 * MiB))
  const { grew, appeared, gone } = merged.diff(two)
  assert.deepEqual([appeared, gone], [[], []])
  assert.deepEqual(
    grew.map((c) => [c.start, c.delta, c.mappingsBefore, c.mappingsAfter]),
    [[0x1000000, MiB, 2, 1]],
  )
})

test('diff: another file at the same address is another mapping', () => {
  const before = table(row(0x1000000, MiB, { name: '/a' }))
  const { appeared, gone } = table(row(0x1000000, MiB, { name: '/b' })).diff(before)
  assert.deepEqual(
    appeared.map((c) => c.name),
    ['/b'],
  )
  assert.deepEqual(
    gone.map((c) => c.name),
    ['/a'],
  )
})

test('diff: neighbours that touch stay apart', () => {
  const before = table(row(0x1000000, MiB, { anon: 0 }), row(0x1100000, MiB, { anon: 0 }))
  const after = table(row(0x1000000, MiB), row(0x1100000, MiB, { anon: 0 }))
  assert.deepEqual(
    after.diff(before).grew.map((c) => [c.start, c.end]),
    [[0x1000000, 0x1100000]],
  )
})
