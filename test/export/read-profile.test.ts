import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { TidemarkError } from '#dist/errors'
import { ProfileProblem } from '#dist/export/profile-problem'
import { readHeapProfile } from '#dist/export/read-heapprofile'
import { readPprof } from '#dist/export/read-pprof'
import { readProfile } from '#dist/export/read-profile'
import { WireWriter } from '#dist/export/wire'
import type { ProfileColumns } from '#dist/profile/columns'
import { Profile } from '#dist/profile/profile'
import { temporaryFolder } from '../cli/tidemark.js'
import { random } from '../growth/random.js'
import { inAddon, inLibc, inNode, js, oddProfile, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'

/** Each trace as text, with the frames and labels that its numbers stand for. */
function traces(columns: ProfileColumns): string[] {
  const { frames, stackFrames, starts, mappings, live, allocated } = columns
  return Array.from(columns.source, (source, i) => {
    const stack = Array.from(stackFrames.subarray(starts[i], starts[i + 1]), (index) => {
      const { function: name, file, line, column, kind, inlined, mapping, address } = frames[index]!
      return [name, file, line, column, kind, inlined, mappings[mapping], address]
    })
    const labels = [
      source,
      columns.regions[columns.region[i]!],
      columns.threads[columns.thread[i]!],
      columns.owner[i],
      columns.partial[i],
    ]
    const values = [live.bytes, live.count, allocated.bytes, allocated.count].map((column) => Math.round(column[i]!))
    return JSON.stringify({ stack, labels, values })
  })
}

const roundTrip = (columns: ProfileColumns) => readPprof(gunzipSync(new Profile(columns).toPprof()))

test('pprof that is read has the traces that were written, without their errors', () => {
  const inner = { ...js('inner', '/app/a.js', 3), inlined: true }
  const written = profileOf(
    [
      {
        stack: [inLibc('malloc'), inAddon('', 0x2468), inNode('Call'), inner, js('outer')],
        live: { bytes: 1e15, count: 3 },
      },
      {
        stack: [js('f')],
        source: 'js',
        owner: 'js-heap',
        live: { bytes: -5 },
        partial: 3,
        region: 'r',
        thread: '日本',
      },
      { stack: [], live: { bytes: 2 } },
    ],
    { notes: ['one', 'two'] },
  )
  const read = roundTrip(written)
  assert.deepEqual(traces(read), traces(written))
  assert.deepEqual(read.notes, written.notes)
  assert.equal(read.startedAt, written.startedAt)
  assert.equal(read.durationMs, written.durationMs)
  assert.equal(read.intervalBytes, written.intervalBytes)
  assert.ok(Number.isNaN(new Profile(read).total().standardError))
  const large = syntheticProfile({ seed: 8, traces: 500, frames: 200, depth: 30 })
  assert.deepEqual(traces(roundTrip(large)), traces(large))
})

test('pprof of odd names and values is read as it was written, and writes the same again', () => {
  const once = roundTrip(oddProfile())
  assert.deepEqual(traces(roundTrip(once)), traces(once))
  assert.equal(once.source.length, oddProfile().source.length)
})

test('code that V8 made for itself is still not of the program when it has been read', () => {
  const stub = { ...inNode('CEntry', 0), mapping: -1 }
  const profile = profileOf([{ stack: [stub, inNode('Call'), js('f')], live: { bytes: 1 } }])
  assert.equal(
    new Profile(roundTrip(profile)).toCollapsed().split(';').length,
    new Profile(profile).toCollapsed().split(';').length,
  )
})

/** A pprof as others write it: two value types, ids with gaps, numbers not packed, unknown fields. */
function foreignPprof(types: string[], values: number[]): Buffer {
  const out = new WireWriter(16)
  const strings = ['', ...types, 'bytes', 'handler', '/app/handler.js', 'worker']
  const number = (text: string) => strings.indexOf(text)
  for (const text of strings) out.string(6, text)
  const message = (field: number, fields: Record<number, number>, more?: () => void) => {
    const start = out.begin(field)
    for (const [n, value] of Object.entries(fields)) out.integer(Number(n), value)
    more?.()
    out.end(start)
  }
  for (const type of types) message(1, { 1: number(type), 2: number('bytes') })
  message(2, {}, () => {
    out.integer(1, 700)
    for (const value of values) out.integer(2, value)
    message(3, { 1: number('worker'), 3: 12 })
  })
  message(4, { 1: 700 }, () => message(4, { 1: 40, 2: 17 }))
  message(5, { 1: 40, 2: number('handler'), 4: number('/app/handler.js'), 5: 3 })
  out.string(8, 'a field that is not known')
  return Buffer.from(out.written())
}

test('a heap profile of another tool is read: what lives, and nothing is said of what it does not hold', () => {
  const read = new Profile(readPprof(foreignPprof(['objects', 'space'], [3, 4096])))
  const [row] = read.top()
  assert.equal(row!.name, 'handler /app/handler.js:17')
  assert.equal(row!.value, 4096)
  assert.equal(row!.count, 3)
  assert.equal(row!.owner, 'js-heap')
  assert.ok(Number.isNaN(read.columns.allocated.bytes[0]!))
  const totals = new Profile(readPprof(foreignPprof(['alloc_space'], [77])))
  assert.equal(totals.total('allocated-bytes').value, 77)
  assert.equal(totals.total().value, 0)
})

test('a profile of something else than memory is refused by what it is of', () => {
  assert.throws(
    () => readPprof(foreignPprof(['samples', 'cpu'], [1, 10])),
    /no profile of memory: its samples are of samples, cpu/,
  )
})

/** Every way to look at a profile, whatever is in it. */
function lookAt(columns: ProfileColumns): void {
  const profile = new Profile(columns)
  profile.toPprof()
  profile.toCollapsed({ showInternal: true })
  profile.toSpeedscope()
  profile.toHeapProfile()
  profile.top()
}

test('damaged pprof is read or refused, and never breaks what shows it', () => {
  const { uniform } = random(9)
  const below = (n: number) => Math.floor(uniform() * n)
  const good = [
    gunzipSync(new Profile(oddProfile()).toPprof()),
    gunzipSync(new Profile(syntheticProfile({ seed: 10, traces: 20, frames: 20, depth: 5 })).toPprof()),
    foreignPprof(['objects', 'space'], [3, 4096]),
  ]
  let read = 0
  let refused = 0
  for (let i = 0; i < 1500; i++) {
    const bytes = Buffer.from(good[i % good.length]!)
    for (let n = below(4); n >= 0; n--) bytes[below(bytes.length)] = below(256)
    const damaged = uniform() < 0.3 ? bytes.subarray(0, below(bytes.length)) : bytes
    let columns: ProfileColumns
    try {
      columns = readPprof(damaged)
    } catch (error) {
      if (!(error instanceof ProfileProblem)) throw error
      refused++
      continue
    }
    read++
    lookAt(columns)
  }
  assert.ok(read > 100 && refused > 100, `${read} read, ${refused} refused`)
})

test('a field that says it is longer than its message is refused', () => {
  const good = gunzipSync(new Profile(profileOf([{ stack: [js('f')] }])).toPprof())
  const outer = Buffer.from([0x12, 4, 0x0a, 9, 1, 1])
  for (const tail of [
    Buffer.from([0x12, 5, 0]),
    Buffer.from([0x32, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    outer,
    Buffer.from([0x48, 0x80]),
  ]) {
    assert.throws(() => readPprof(Buffer.concat([good, tail])), /reaches beyond its message|is cut off/)
  }
})

test('damaged heap profiles are read or refused', () => {
  const nested = (depth: number, size: number) => {
    return `{"head":${`{"selfSize":${size},"children":[`.repeat(depth)}${']}'.repeat(depth)}}`
  }
  for (const text of [
    '{',
    '{}',
    '{"head":null}',
    '{"head":[]}',
    '{"head":{"children":{}}}',
    '{"head":{"children":[null]}}',
    '{"head":{"selfSize":0,"children":{}}}',
    '{"head":{"selfSize":0,"children":[null]}}',
    '{"head":{"selfSize":0,"children":[{"selfSize":"1"}]}}',
    '{"__proto__":{"head":{}}}',
  ]) {
    assert.throws(() => readHeapProfile(text), ProfileProblem, text)
  }
  assert.equal(readHeapProfile(nested(50_000, 0)).source.length, 0)
  assert.throws(() => readHeapProfile(nested(50_000, 1)), /more than 20,000,000 frames/)
  const odd = { functionName: 7, url: 'file://%', lineNumber: 1.5, columnNumber: -9 }
  const columns = readHeapProfile(
    JSON.stringify({ head: { selfSize: 0, children: [{ selfSize: 1, callFrame: odd }, { selfSize: 2 }] } }),
  )
  assert.deepEqual(columns.frames.map(({ function: name, file, line, column }) => [name, file, line, column]).sort(), [
    ['', '', 0, 0],
    ['', 'file://%', 0, 0],
  ])
  lookAt(columns)
})

test('a file that is small and means to fill the memory is refused', () => {
  const samples = new WireWriter(16)
  const type = samples.begin(1)
  samples.integer(1, 1)
  samples.end(type)
  samples.string(6, '')
  samples.string(6, 'space')
  const bomb = Buffer.concat([samples.written(), Buffer.alloc(2 * 1_000_001, Buffer.from([0x12, 0]))])
  assert.throws(() => readPprof(bomb), /more than 1,000,000 stacks/)
})

function expectRefusal(t: TestContext, content: string | Buffer | null, code: string, words: RegExp): void {
  const folder = temporaryFolder(t)
  const path = join(folder, 'profile')
  if (content !== null) writeFileSync(path, content)
  assert.throws(
    () => readProfile(path),
    (error) => {
      assert.ok(error instanceof TidemarkError)
      assert.equal(error.code, code)
      assert.match(error.message, words)
      assert.ok(error.message.includes(path))
      return true
    },
  )
}

test('a file that is no profile is refused with what it is and what to give', (t) => {
  const pprof = new Profile(profileOf([{ stack: [js('f')] }])).toPprof()
  const code = 'ERR_TIDEMARK_PROFILE'
  expectRefusal(t, '', code, /is empty; give a pprof/)
  expectRefusal(t, gzipSync(''), code, /is empty/)
  expectRefusal(t, 'hello, world', code, /not in the format of pprof/)
  expectRefusal(t, '{"snapshot":{}}', code, /no head/)
  expectRefusal(t, pprof.subarray(0, pprof.length - 12), code, /compression is damaged \(Z_BUF_ERROR\)/)
  expectRefusal(t, gzipSync(Buffer.alloc(2 ** 28 + 1)), code, /more than 256 MiB/)
  expectRefusal(t, null, 'ERR_TIDEMARK_FILE', /ENOENT.*tidemark run/)
})

test('a profile is found in a run folder, packed or not, and by what it is rather than by its name', (t) => {
  const folder = temporaryFolder(t)
  const profile = new Profile(profileOf([{ stack: [js('f')], live: { bytes: 12 } }]))
  const put = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  put('profile.pb.gz', profile.toPprof())
  for (const path of [
    folder,
    put('a.pprof', gunzipSync(profile.toPprof())),
    put('b.pb.gz', profile.toHeapProfile()),
    put('c', gzipSync(` \n${profile.toHeapProfile()}`)),
  ]) {
    assert.equal(readProfile(path).total().value, 12, path)
  }
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  assert.throws(() => readProfile(empty), /there is no profile\.pb\.gz in .*empty/)
})
