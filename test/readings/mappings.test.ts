/** The full table and the growth table of real processes, against slow readings of the same files. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { type Mapping, mappings } from 'tidemark'
import { freeze, start, startNode } from './processes.js'
import { parseSmaps, readSmapsText } from './smaps-reference.js'

const MiB = 2 ** 20
const keep: unknown[] = []
Object.assign(globalThis, { keepForMappingsTest: keep })

function withoutOwner(m: Mapping): Partial<Mapping> {
  const { owner: _, ...rest } = m
  return rest
}

test('every field of every mapping is that of smaps, in every process that can be read', async (t) => {
  const frozen = await startNode(t, 'ready()')
  await freeze(frozen)
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  let compared = 0
  for (const pid of pids) {
    if (pid === process.pid) continue
    // A process that moves meanwhile is passed over; one may move and be back (a library that another process maps for a
    // moment halves its PSS), so only what differs each time is wrong.
    let difference: unknown = null
    for (let attempt = 0; attempt < 5; attempt++) {
      const before = readSmapsText(pid)
      if (before === null) break
      const rows = await mappings({ pid }).then(
        (table) => table.rows(),
        () => null,
      )
      if (rows === null || readSmapsText(pid) !== before) continue
      try {
        assert.deepEqual(rows.map(withoutOwner), parseSmaps(before), `process ${pid}`)
      } catch (error) {
        difference = error
        continue
      }
      difference = null
      compared++
      if (pid === frozen.pid) assert.ok(rows.length > 50)
      break
    }
    if (difference !== null) throw difference
    if (pid === frozen.pid) assert.ok(compared > 0, 'not even a stopped process stood still')
  }
})

// PSS is left out: pmap itself maps the libraries that it counts.
test('the totals are those of pmap -X', async (t) => {
  if (spawnSync('pmap', ['--version']).error) return t.skip('pmap is not installed')
  for (const command of [
    ['sleep', '600'],
    [process.execPath, '--eval', 'setInterval(() => {}, 1e6)'],
    ['sh', '-c', 'read line'],
  ]) {
    const subject = await start(t, 'sh', ['-c', `echo ready; exec "$@"`, 'sh', ...command])
    await freeze(subject)
    const lines = spawnSync('pmap', ['-X', String(subject.pid)], { encoding: 'utf8' })
      .stdout.trimEnd()
      .split('\n')
    const headings = lines[1]!.trim().split(/ +/).slice(5) // behind address, perm, offset, device, inode
    const sums = lines.at(-2)!.includes('=') ? lines.at(-1)!.trim().split(/ +/).map(Number) : []
    const sum = (heading: string) => sums[headings.indexOf(heading)]! * 1024
    const totals = (await mappings({ pid: subject.pid })).totals()
    assert.equal(totals.size, sum('Size'))
    assert.equal(totals.rss, sum('Rss'))
    assert.equal(totals.anon, sum('Anonymous'))
    assert.equal(totals.swap, sum('Swap'))
  }
})

test('the table of anonymous memory has the same mappings and the same anonymous bytes', async (t) => {
  const subject = await startNode(t, 'globalThis.b = Buffer.alloc(20 * 2 ** 20, 1); ready()')
  await freeze(subject)
  const full = (await mappings({ pid: subject.pid })).rows()
  const cheap = (await mappings({ pid: subject.pid, anonymousOnly: true })).rows()
  assert.equal(cheap.length, full.length)
  cheap.forEach((m, i) => {
    const { start, end, perms, offset, device, inode, name, anon } = full[i]!
    assert.deepEqual({ ...m, owner: '' }, { ...m, start, end, perms, offset, device, inode, name, owner: '' })
    // Inaccessible reserves are not walked.
    if (perms !== '---p') assert.equal(m.anon, anon, `${perms} ${name}`)
    for (const field of ['rss', 'pss', 'swapPss', 'referenced', 'kernelPageSize'] as const)
      assert.ok(Number.isNaN(m[field]))
    assert.equal(m.flags, '')
  })
  const anonymous = cheap.reduce((sum, m) => sum + m.anon, 0)
  assert.ok(anonymous > 20 * MiB)
})

test('of this process the table of anonymous memory counts what was touched', async () => {
  const anon = async () => (await mappings({ anonymousOnly: true })).totals().anon
  const before = await anon()
  const buffer = Buffer.alloc(64 * MiB)
  keep.push(buffer)
  const allocated = await anon()
  buffer.fill(1)
  const touched = await anon()
  // V8 commits and frees heap in pages of 256 KiB, and a collection may come between.
  assert.ok(Math.abs(allocated - before) < 8 * MiB, `${allocated - before} bytes from an untouched buffer`)
  assert.ok(Math.abs(touched - allocated - 64 * MiB) < 8 * MiB, `${touched - allocated} bytes`)
})

test('a touched 64 MiB buffer is what grew or appeared between two tables', async () => {
  const buffer = Buffer.alloc(64 * MiB)
  keep.push(buffer)
  const before = await mappings()
  buffer.fill(1)
  const { anonDelta, appeared, grew } = (await mappings()).diff(before)
  assert.ok(Math.abs(anonDelta - 64 * MiB) < 8 * MiB, `${anonDelta} bytes`)
  const largest = [...appeared, ...grew].sort((a, b) => b.delta - a.delta)[0]!
  assert.ok(largest.delta >= 64 * MiB && largest.delta < 66 * MiB, `${largest.delta} bytes`)
  assert.equal(largest.owner, 'malloc')
})

test('mappings that are read while they come and go are in order and do not overlap', async (t) => {
  const churn = `ready(); setInterval(() => { globalThis.b = Array.from({ length: 20 }, () => Buffer.alloc(2 ** 20, 1)) }, 1)`
  const subject = await startNode(t, churn)
  for (let i = 0; i < 20; i++) {
    const rows = (await mappings({ pid: subject.pid })).rows()
    for (let r = 1; r < rows.length; r++) {
      assert.ok(rows[r]!.start >= rows[r - 1]!.end, `${rows[r]!.start} begins before ${rows[r - 1]!.end}`)
      assert.ok(rows[r]!.anon <= rows[r]!.rss && rows[r]!.rss <= rows[r]!.size)
    }
  }
})
