import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { mappingsJson } from '#dist/cli/maps'
import { Mappings } from '#dist/readings/mappings'
import { start, startTidemark, temporaryFolder, tidemark, write } from './tidemark.js'

/** A process that lies still: it waits for stdin and does nothing. */
async function quietProcess(t: TestContext): Promise<number> {
  const quiet = start(t, 'sh', ['-c', 'echo ready; read line'])
  await quiet.says('ready')
  return quiet.child.pid!
}

/** Sums of the kernel's own table, KiB, as pmap -X prints them last. PSS is left out: it moves when others share more. */
function smapsTotals(pid: number) {
  const smaps = readFileSync(`/proc/${pid}/smaps`, 'utf8')
  const sum = (key: string) =>
    [...smaps.matchAll(new RegExp(`^${key}: +(\\d+) kB`, 'gm'))].reduce((total, [, kb]) => total + Number(kb), 0)
  const count = smaps.match(/^VmFlags:/gm)!.length
  return { count, size: sum('Size'), rss: sum('Rss'), anon: sum('Anonymous'), swap: sum('Swap') }
}

test('the totals are those of the kernel over all mappings, also when only some are shown', async (t) => {
  const pid = await quietProcess(t)
  const { count, size, rss, anon, swap } = smapsTotals(pid)
  const single = `total KiB +${size} +${rss} +\\d+ +${anon} +${swap} +${count} mappings\n`
  const grouped = `${count} +${size} +${rss} +\\d+ +${anon} +${swap} +total KiB\n`
  for (const [options, totals] of [
    [[], single],
    [['--min', '64KiB'], single],
    [['--group', 'name', '--min', '64KiB'], grouped],
  ] as const) {
    const { code, stdout } = await tidemark(t, ['maps', String(pid), ...options])
    assert.equal(code, 0)
    assert.match(stdout.toString(), new RegExp(totals))
  }
})

test('--min shows the mappings that have at least that much, and says how many there are', async (t) => {
  const pid = await quietProcess(t)
  const { stdout } = await tidemark(t, ['maps', String(pid), '--min', '64KiB'])
  const { stdout: json } = await tidemark(t, ['maps', String(pid), '--min', '64KiB', '--json'])
  const rows: { rss: number }[] = JSON.parse(json.toString())
  const { count } = smapsTotals(pid)
  assert.ok(rows.length > 0 && rows.length < count)
  assert.ok(rows.every(({ rss }) => rss >= 64 * 1024))
  assert.match(stdout.toString(), new RegExp(`^${rows.length} of ${count} shown: .* 64 KiB`, 'm'))
})

test('--json is an array of mappings in bytes', async (t) => {
  const pid = await quietProcess(t)
  const { stdout } = await tidemark(t, ['maps', String(pid), '--json'])
  const rows: Record<string, unknown>[] = JSON.parse(stdout.toString())
  const { count, ...sums } = smapsTotals(pid)
  assert.equal(rows.length, count)
  for (const [key, kib] of Object.entries(sums)) {
    assert.equal(
      rows.reduce((total, row) => total + (row[key] as number), 0),
      kib * 1024,
      key,
    )
  }
  assert.ok(rows.every(({ pss, rss }) => (pss as number) <= (rss as number)))
  const stack = rows.find(({ name }) => name === '[stack]')!
  assert.equal(stack.perms, 'rw-p')
  assert.equal((stack.end as number) - (stack.start as number), stack.size)
})

test('addresses above 2^53 are printed digit by digit, and read back as they were', () => {
  const [start, end] = [0xffffffffff600000, 0xffffffffff601000]
  const text = mappingsJson(Mappings.from([{ start, end, anon: 0, name: '[vsyscall]' }]).rows())
  assert.match(text, /"start":18446744073699065856,"end":18446744073699069952,/)
  assert.equal(Mappings.from(JSON.parse(text)).row(0).start, start)
})

test('--group owner says whose memory it is, and sums to RSS', async (t) => {
  const pid = await quietProcess(t)
  const { stdout } = await tidemark(t, ['maps', String(pid), '--group', 'owner', '--json'])
  const groups: { owner: string; rss: number }[] = JSON.parse(stdout.toString())
  assert.ok(groups.some(({ owner }) => owner === 'malloc'))
  // statm leaves out a batch of pages a CPU.
  const apart = groups.reduce((sum, { rss }) => sum + rss, 0) / 1024 - smapsTotals(pid).rss
  assert.ok(Math.abs(apart) <= 1024, `${apart} KiB`)

  const text = (await tidemark(t, ['maps', String(pid), '--group', 'owner'])).stdout.toString()
  assert.match(text, /^ *\d+ +\d+\.\d % +malloc +native/m)
  assert.match(text, /^ *\d+ +total KiB/m)
  assert.match(text, /^malloc \(glibc\): .+ live, .+ free.*; malloc_trim would give back /m)
})

test('a reader that has seen enough ends it quietly', async (t) => {
  const running = startTidemark(t, ['maps', String(process.pid)])
  running.child.stdout!.destroy()
  const [code] = await once(running.child, 'exit')
  assert.equal(code, 0)
})

test('diff says what appeared, grew, shrank and went between two saved tables', async (t) => {
  const folder = temporaryFolder(t)
  const mapping = (start: number, kib: number, name = '') => ({
    start: start * 2 ** 20,
    end: (start + 1) * 2 ** 20,
    anon: kib * 1024,
    perms: 'rw-p',
    name,
  })
  const a = write(
    folder,
    'a',
    JSON.stringify([mapping(1, 100, '[heap]'), mapping(5, 50), mapping(7, 8), mapping(9, 4)]),
  )
  const b = write(
    folder,
    'b',
    JSON.stringify([mapping(1, 900, '[heap]'), mapping(5, 20), mapping(8, 64), mapping(9, 4)]),
  )
  const { code, stdout } = await tidemark(t, ['diff', a, b])
  assert.equal(code, 0)
  const text = stdout.toString()
  assert.match(text, /^appeared +0 B +64 KiB +\+64 KiB +800000 /m)
  assert.match(text, /^grew +100 KiB +900 KiB +\+800 KiB +100000 .*\[heap\]/m)
  assert.match(text, /^shrank +50 KiB +20 KiB +-30 KiB +500000 /m)
  assert.match(text, /^gone +8 KiB +0 B +-8 KiB +700000 /m)
  assert.match(text, /\+826 KiB: 1 appeared, 1 grew, 1 shrank, 1 gone/)
  const json = JSON.parse((await tidemark(t, ['diff', '--json', a, b])).stdout.toString())
  assert.equal(json.anonDelta, 826 * 1024)
})

test('diff names the file that is no table of mappings', async (t) => {
  const folder = temporaryFolder(t)
  const good = write(folder, 'good', '[]')
  for (const bad of [write(folder, 'text', 'x'), write(folder, 'object', '{}'), join(folder, 'missing'), folder]) {
    const { code, stderr } = await tidemark(t, ['diff', good, bad])
    assert.equal(code, 1)
    assert.match(stderr, /ERR_TIDEMARK_FILE/)
    assert.ok(stderr.includes(bad) && stderr.includes('tidemark maps PID --json'), stderr)
  }
})
