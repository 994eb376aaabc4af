import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { TidemarkError } from 'tidemark'
import { flameGraph } from '#dist/export/html'
import { Profile } from '#dist/profile/profile'
import { conclude } from '#dist/run/conclude'
import { ProfileFile } from '#dist/run/profile-file'
import { temporaryFolder, write } from '../cli/tidemark.js'
import { syntheticProfile } from '../profile/synthetic.js'

/** The larger `age`, the more has been allocated: 20 MiB and more each. */
function profileOf(age: number): Profile {
  return new Profile(syntheticProfile({ seed: 1, traces: 20 * age, frames: 10, depth: 3 }))
}

/** Snapshots of ages 1, 2, 3 … */
function snapshots() {
  let age = 0
  return { snapshot: async () => profileOf(++age), jsHeapMs: 0 }
}

/** A file that no problem may come from before the test ends; what is under way then finds its folder gone. */
function profileFile(t: TestContext, source: ConstructorParameters<typeof ProfileFile>[1]) {
  const problems: TidemarkError[] = []
  t.after(() => assert.deepEqual(problems, []))
  const path = join(temporaryFolder(t), 'profile.pb.gz')
  return { path, file: new ProfileFile(path, source, (problem) => problems.push(problem)) }
}

test('the first snapshot is written at once, the latest one at the end, and nothing else is left', async (t) => {
  const { path, file } = profileFile(t, snapshots())
  assert.ok(!existsSync(path))
  await file.snapshot()
  while (!existsSync(path)) await wait(1)
  assert.deepEqual(readFileSync(path), profileOf(1).toPprof())
  file.writeSync()
  assert.deepEqual(readFileSync(path), profileOf(1).toPprof(), 'there is nothing newer')
  // Encoding takes its share of the time: some of these are let go by.
  let last = 1
  const written = () => [...Array(last + 1).keys()].find((age) => profileOf(age).toPprof().equals(readFileSync(path)))
  while (written() === 1) {
    await file.snapshot()
    last++
    await wait(20)
    file.writeSync()
  }
  assert.ok(written()! > 1 && written()! <= last)
  assert.deepEqual(readdirSync(dirname(path)), ['profile.pb.gz'])
})

test('while a run goes on the file follows it, for it may be ended by a signal', async (t) => {
  const { path, file } = profileFile(t, snapshots())
  await file.snapshot()
  while (!existsSync(path)) await wait(1)
  const first = readFileSync(path)
  // Nothing here ends the run: the test would never end if the file waited for that.
  while (readFileSync(path).equals(first)) {
    await wait(50)
    await file.snapshot()
  }
})

test('what a snapshot waits for does not make the next one rarer', async (t) => {
  let age = 0
  // A tenth of a second of waiting would stand for ten seconds without another.
  const source = { snapshot: () => wait(100, profileOf(++age)), jsHeapMs: 0 }
  const { path, file } = profileFile(t, source)
  await file.snapshot({ onlyLive: true })
  while (!existsSync(path)) await wait(1)
  const first = readFileSync(path)
  for (let asked = 0; asked < 30; asked++) await file.snapshot({ onlyLive: true })
  file.writeSync()
  assert.ok(!readFileSync(path).equals(first))
})

test('who asks for what lives gets that, and the file has all of it, unless it would say the same again', async (t) => {
  const [whole, live] = [profileOf(1), profileOf(2)]
  const asked: unknown[] = []
  const source = {
    snapshot: async ({ onlyLive, since }: { onlyLive?: boolean; since?: unknown } = {}) => {
      if (!onlyLive) asked.push(since)
      return onlyLive ? live : whole
    },
    jsHeapMs: 0,
  }
  const { path, file } = profileFile(t, source)
  assert.equal(await file.snapshot({ onlyLive: true }), live)
  while (!existsSync(path)) await wait(1)
  assert.deepEqual(readFileSync(path), whole.toPprof())
  const written = statSync(path).ino
  while (asked.length < 3) {
    await wait(20)
    assert.equal(await file.snapshot({ onlyLive: true }), live)
  }
  assert.deepEqual(asked, [undefined, whole, whole])
  file.writeSync()
  assert.equal(statSync(path).ino, written, 'it was written again')
})

/** A file in which `first` is, and whose source then has `latest`, for less than 4 MiB more. */
async function fileWithLittleNew(t: TestContext) {
  const first = profileOf(1)
  const latest = new Profile(syntheticProfile({ seed: 1, traces: 21, frames: 10, depth: 3 }))
  const source = { profile: first, snapshot: async () => source.profile, jsHeapMs: 0 }
  const { path, file } = profileFile(t, source)
  const ask = () => Promise.all([file.snapshot(), wait(20)])
  while (!existsSync(path)) await ask()
  source.profile = latest
  return { path, file, source, first, latest, ask }
}

test('a file to which little would be added is left as it is, until there is more', async (t) => {
  const { path, file, source, first, ask } = await fileWithLittleNew(t)
  for (let asked = 0; asked < 20; asked++) await ask()
  file.writeSync()
  assert.deepEqual(readFileSync(path), first.toPprof())
  source.profile = profileOf(2)
  while (!readFileSync(path).equals(source.profile.toPprof())) await ask()
})

test('or until ten seconds have passed', async (t) => {
  let clock = 0
  t.mock.method(performance, 'now', () => clock)
  const { path, file, first, latest, ask } = await fileWithLittleNew(t)
  clock = 9999
  for (let asked = 0; asked < 20; asked++) await ask()
  file.writeSync()
  assert.deepEqual(readFileSync(path), first.toPprof())
  clock = 10_000
  do {
    await ask()
    file.writeSync()
  } while (!readFileSync(path).equals(latest.toPprof()))
})

test('without a snapshot there is no profile, and that of an earlier run is gone', (t) => {
  const folder = temporaryFolder(t)
  const path = write(folder, 'profile.pb.gz', 'of an earlier run')
  new ProfileFile(path, snapshots(), assert.fail).writeSync()
  assert.deepEqual(readdirSync(folder), [])
})

test('a disk that takes no profile is said once, and what was there before stays', async (t) => {
  const folder = temporaryFolder(t)
  const problems: TidemarkError[] = []
  const file = new ProfileFile(join(folder, 'profile.pb.gz'), snapshots(), (problem) => problems.push(problem))
  symlinkSync('/dev/full', join(folder, `profile.pb.gz.${process.pid}.tmp`))
  await file.snapshot()
  while (problems.length === 0) await wait(1)
  assert.equal(problems[0]!.code, 'ERR_TIDEMARK_OUT_WRITE')
  symlinkSync('/dev/full', join(folder, `profile.pb.gz.${process.pid}.tmp`))
  file.writeSync()
  assert.equal(problems.length, 1)
  assert.deepEqual(readdirSync(folder), [])
})

const READING = { t: 1, rss: 3000, anon: 2000, file: 1000, shmem: 0, swap: 0, owners: { malloc: 2000 } }

test('the report of a run shows its profile, and says so where it cannot be read', (t) => {
  const folder = join(temporaryFolder(t), 'run')
  mkdirSync(folder)
  write(folder, 'timeline.ndjson', `${JSON.stringify(READING)}\n`)
  const page = () => {
    const { problem } = conclude(folder)
    assert.equal(problem, null)
    return readFileSync(join(folder, 'report.html'), 'utf8')
  }
  assert.doesNotMatch(page(), /by stack/)
  writeFileSync(join(folder, 'profile.pb.gz'), profileOf(1).toPprof())
  const shown = page()
  assert.match(shown, /<h2>Live memory by stack<\/h2>/)
  assert.ok(flameGraph(profileOf(1).columns).length > 1000 && shown.includes('id="flame-data"'))
  writeFileSync(join(folder, 'profile.pb.gz'), '<b>no profile</b>')
  assert.match(page(), /<p class="note">cannot read .*profile\.pb\.gz/)
  assert.doesNotMatch(page(), /<b>no profile/)
})
