import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Profile } from '#dist/profile/profile'
import { inAddon, inLibc, inNode, js, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'
import { startTidemark, temporaryFolder, tidemark } from './tidemark.js'

const profile = new Profile(
  profileOf([
    {
      stack: [inLibc('malloc'), inAddon('Retain'), inNode('Call'), js('alloc', 'node:buffer'), js('upload')],
      live: { bytes: 4096, count: 2 },
      allocated: { bytes: 8192, count: 4 },
    },
  ]),
)

/** A folder as a run leaves it. */
function runFolder(t: TestContext, content = profile): string {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'profile.pb.gz'), content.toPprof())
  return folder
}

test('export writes each format to stdout', async (t) => {
  const folder = runFolder(t)
  const written = async (...words: string[]) => {
    const { code, stdout, stderr } = await tidemark(t, ['export', folder, ...words])
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    return stdout
  }
  assert.equal(String(await written('--to', 'collapsed')), profile.toCollapsed())
  assert.deepEqual(JSON.parse(String(await written('--to', 'speedscope'))), JSON.parse(profile.toSpeedscope()))
  assert.deepEqual(JSON.parse(String(await written('--to', 'heapprofile'))), JSON.parse(profile.toHeapProfile()))
  assert.match(String(await written('--to', 'html')), /^<!doctype html>.*upload/s)
  assert.deepEqual(await written('--to', 'pprof'), profile.toPprof())
})

test('--value and --show-internal choose what is shown', async (t) => {
  const folder = runFolder(t)
  for (const value of ['live-bytes', 'live-count', 'allocated-bytes', 'allocated-count'] as const) {
    const { stdout } = await tidemark(t, ['export', '--to', 'collapsed', '--value', value, '--show-internal', folder])
    assert.equal(String(stdout), profile.toCollapsed({ value, showInternal: true }))
  }
})

test('-o writes to a file, and nothing to stdout; a .heapprofile can be made a pprof', async (t) => {
  const folder = runFolder(t)
  const file = join(folder, 'profile.heapprofile')
  const { code, stdout } = await tidemark(t, ['export', folder, '--to', 'heapprofile', '-o', file])
  assert.equal(code, 0)
  assert.equal(stdout.length, 0)
  const pprof = join(folder, 'again.pb.gz')
  assert.equal((await tidemark(t, ['export', file, '--to', 'pprof', '--output', pprof])).code, 0)
  const collapsed = await tidemark(t, ['export', pprof, '--to', 'collapsed'])
  assert.match(String(collapsed.stdout), /^upload .*;Retain .*;malloc .* 4096\n$/)
})

test('wrong words are wrong usage, said with the way to the help', async (t) => {
  const folder = runFolder(t)
  for (const [words, wrong] of [
    [['--to', 'html'], 'PROFILE'],
    [[folder], '--to'],
    [[folder, '--to', 'svg'], "'svg'"],
    [[folder, '--to', 'toString'], "'toString'"],
    [[folder, 'b', '--to', 'html'], "'b'"],
    [[folder, '--to', 'html', '--value', 'bytes'], "'bytes'"],
    [[folder, '--to', 'pprof', '--value', 'live-count'], '--value'],
    [[folder, '--to', 'heapprofile', '--show-internal'], '--show-internal'],
    [[folder, '--to', 'html', '-o'], '-o'],
  ] as const) {
    const { code, stdout, stderr } = await tidemark(t, ['export', ...words])
    assert.equal(code, 2, stderr)
    assert.equal(stdout.length, 0)
    assert.ok(stderr.includes(wrong) && stderr.includes('tidemark export --help'), stderr)
  }
})

test('a profile that is not there, or is none, ends with 1 and makes no file', async (t) => {
  const folder = temporaryFolder(t)
  const out = join(folder, 'out')
  writeFileSync(join(folder, 'text'), 'no profile')
  for (const [path, code] of [
    [folder, 'ERR_TIDEMARK_FILE'],
    [join(folder, 'missing'), 'ERR_TIDEMARK_FILE'],
    [join(folder, 'text'), 'ERR_TIDEMARK_PROFILE'],
  ] as const) {
    const end = await tidemark(t, ['export', path, '--to', 'html', '-o', out])
    assert.equal(end.code, 1)
    assert.match(end.stderr, new RegExp(`^tidemark export: ${code}: .*\\n$`))
    assert.ok(!existsSync(out))
  }
})

test('a disk that is full is said in words', async (t) => {
  const folder = runFolder(t)
  const { code, stderr } = await tidemark(t, ['export', folder, '--to', 'html', '-o', '/dev/full'])
  assert.equal(code, 1)
  assert.match(stderr, /^tidemark export: ERR_TIDEMARK_OUT_WRITE: cannot write \/dev\/full \(ENOSPC\)/)
})

test('a reader that has seen enough ends it quietly', async (t) => {
  const large = new Profile(syntheticProfile({ seed: 11, traces: 2000, frames: 500, depth: 30 }))
  const running = startTidemark(t, ['export', runFolder(t, large), '--to', 'collapsed'])
  running.child.stdout!.destroy()
  const [code] = await once(running.child, 'exit')
  assert.equal(code, 0)
  assert.equal((await running.end).stderr, '')
})

test('a large profile arrives whole through a pipe', async (t) => {
  const large = new Profile(syntheticProfile({ seed: 12, traces: 2000, frames: 500, depth: 30 }))
  const folder = runFolder(t, large)
  const file = join(folder, 'out')
  const { stdout } = await tidemark(t, ['export', folder, '--to', 'collapsed'])
  await tidemark(t, ['export', folder, '--to', 'collapsed', '-o', file])
  assert.ok(stdout.length > 2 ** 20)
  assert.ok(stdout.equals(readFileSync(file)))
})
