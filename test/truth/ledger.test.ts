/**
 * The ledger beside what is known of a process without it: what glibc and V8 count, what the kernel says of each mapping,
 * and what the process has made and touched. Each test prints how far off the ledger is.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { type Ledger, ledger, mappings, type Owner } from '#dist/index'
import { temporaryFolder, tidemark } from '../cli/tidemark.js'
import { buildAddon, noGlibc } from '../native-fixtures.js'
import { ROOT, type Subject, start, stopped } from '../readings/processes.js'

const MiB = 2 ** 20

/** What test/fixtures/ledger/subject.js says of itself. */
interface Said {
  missing?: string
  before: Ledger
  inside: Ledger
  /** Of mallinfo2: live and freed bytes, resident or not. Null where glibc does not allocate. */
  malloc: { inUse: number; free: number } | null
  liveBytes: number | null
  /** Resident in the spaces of all isolates, as V8 says: a high-water mark, without the empty pages that it keeps. */
  v8: number
  grown: Partial<Record<Owner, number>>
}

interface Workload {
  /** Why it cannot run here, or false. */
  skip?: string | false
  /** A module that it needs. */
  needs?: string
  env?: NodeJS.ProcessEnv
  /** Nothing of what was freed has gone back to the kernel: mallinfo2's free bytes are resident. */
  allResident?: boolean
}

/** The same burst with another allocator in glibc's place. */
function preloaded(file: string): Workload {
  const path = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']
    .map((folder) => join(folder, file))
    .find((candidate) => existsSync(candidate))
  return { skip: path === undefined && `${file} is not installed`, env: { LD_PRELOAD: path } }
}

const WORKLOADS: Record<string, Workload> = {
  idle: {},
  objects: {},
  buffers: {},
  workers: {},
  wasm: {},
  resizable: {},
  shared: {},
  sharp: { needs: 'sharp' },
  typescript: { needs: 'typescript' },
  'node:sqlite': { skip: !isBuiltin('node:sqlite') && 'this Node has no node:sqlite' },
  'better-sqlite3': { needs: 'better-sqlite3' },
  lmdb: { needs: 'lmdb' },
  'burst freed': { allResident: true },
  'burst of small blocks freed': { allResident: true },
  'burst freed and trimmed': {},
  threads: { allResident: true },
  'threads, small blocks': { allResident: true },
  'one large arena': { allResident: true },
  'native blocks and mappings': {},
  'burst freed, jemalloc': preloaded('libjemalloc.so.2'),
  'burst freed, mimalloc': preloaded('libmimalloc.so.2'),
  'burst freed, tcmalloc': preloaded('libtcmalloc_minimal.so.4'),
}

for (const [name, workload] of Object.entries(WORKLOADS)) {
  const module = workload.needs && resolved(workload.needs)
  const missing = module === null && `${workload.needs} is not installed`
  test(`the ledger of a process is true: ${name}`, { skip: noGlibc || workload.skip || missing }, async (t) => {
    const given = { workload: name.split(',')[0] === 'burst freed' ? 'burst freed' : name, module }
    const subject = await startSubject(t, { ...given, folder: temporaryFolder(t) }, workload.env)
    const said = JSON.parse(subject.line) as Said
    if (said.missing) return t.skip(said.missing)
    await stopped(subject)
    const outside = await ledger({ pid: subject.pid })
    const kernel = await kernelsView(subject.pid)

    for (const one of [said.inside, outside]) {
      assert.equal(sum(one), one.rss)
      assert.ok(Math.abs(one.unexplained) <= one.rss / 100, `${one.unexplained} of ${one.rss} bytes are unexplained`)
    }
    const numbers = [
      `rss ${mib(outside.rss)}`,
      `unexplained ${percent(said.inside)} inside, ${percent(outside)} outside`,
    ]
    // The process went on between the two: mimalloc gives memory back some time after it was freed.
    const moved = Math.abs(outside.rss - said.inside.rss)
    for (const owners of TOLD_OUTSIDE) {
      near(of(outside, owners), of(said.inside, owners), `${owners} outside`, MiB + moved)
    }
    for (const [owner, bytes] of Object.entries(said.grown) as [Owner, number][]) {
      const grown = of(said.inside, [owner]) - of(said.before, [owner])
      near(grown, bytes, `${owner} of what was made`)
      numbers.push(`${owner} ${mib(grown)} of ${mib(bytes)}`)
    }

    near(of(outside, ['js-heap', 'js-code', 'wasm', 'array-buffers']), kernel.v8, 'what V8 mapped')
    if (kernel.stacks > 0) near(of(outside, ['thread-stacks']), kernel.stacks, 'thread-stacks', 64 * 1024)
    const heaps = of(said.inside, ['js-heap'])
    assert.ok(heaps >= said.v8 - Math.max(4 * MiB, said.v8 / 10), `js-heap ${heaps}, V8 says ${said.v8}`)
    numbers.push(`js-heap ${mib(heaps - said.v8, true)} beside V8’s ${mib(said.v8)}`)

    if (said.malloc) {
      numbers.push(...checkMalloc(said, workload))
      const { back, left } = await continued(subject)
      near(outside.trimmable, back, 'trimmable', 2 * MiB, 0.1)
      near(left, 0, 'trimmable after a trim')
      numbers.push(`trim: ${mib(outside.trimmable)} foretold, ${mib(back)} given back`)
    }
    t.diagnostic(`Node ${process.versions.node}, ${name}: ${numbers.join('; ')}`)
  })
}

test('tidemark maps --group owner prints the ledger of a process', { skip: noGlibc }, async (t) => {
  const subject = await startSubject(t, { workload: 'wasm' })
  await stopped(subject)
  const { owners, rss } = await ledger({ pid: subject.pid })
  const { stdout } = await tidemark(t, ['maps', String(subject.pid), '--group', 'owner', '--json'])
  const rows: { owner: Owner; rss: number }[] = JSON.parse(stdout.toString())
  assert.equal(
    rows.reduce((total, row) => total + row.rss, 0),
    rss,
  )
  for (const row of rows) assert.equal(row.rss, owners[row.owner], row.owner)
})

/** Owners that are one seen from outside: Buffers lie in malloc's memory, tidemark's own among what is mapped. */
const TOLD_OUTSIDE: Owner[][] = [
  ['js-heap'],
  ['js-code'],
  ['wasm'],
  ['array-buffers', 'malloc', 'malloc-free', 'mmap', 'profiler'],
  ['thread-stacks'],
  ['program'],
  ['file'],
  ['shmem'],
]

/** Live and freed memory beside mallinfo2, which counts what was never touched, or given back, as well. */
function checkMalloc({ inside, malloc, liveBytes }: Said, { allResident }: Workload): string[] {
  const { inUse, free } = malloc!
  near(liveBytes!, inUse, 'live blocks')
  const held = inside.allocator.free!
  assert.ok(held <= free + Math.max(MiB, free / 100), `${held} bytes are free and resident, mallinfo2 counts ${free}`)
  if (allResident) near(held, free, 'free memory')
  return [
    `live ${mib(liveBytes! - inUse, true)} and free ${mib(held - free, true)} beside mallinfo2’s ${mib(inUse)} and ${mib(free)}`,
  ]
}

function near(found: number, truth: number, what: string, bytes = MiB, share = 0.01): void {
  const most = Math.max(bytes, share * truth)
  assert.ok(
    Math.abs(found - truth) <= most,
    `${what}: ${found} bytes, in truth ${truth}, which is more than ${most} off`,
  )
}

/** By the flags of each mapping: V8 keeps all that it maps from forks, and glibc its stacks from huge pages (Linux 6.7). */
async function kernelsView(pid: number): Promise<{ v8: number; stacks: number }> {
  const seen = { v8: 0, stacks: 0 }
  for (const { flags, anon, name } of (await mappings({ pid })).rows()) {
    const words = flags.split(' ')
    if (words.includes('dc')) seen.v8 += anon
    else if (words.includes('nh')) seen.stacks += anon
    else if (name === '[stack]' && seen.stacks > 0) seen.stacks += anon
  }
  return seen
}

function startSubject(t: TestContext, given: object, env: NodeJS.ProcessEnv = {}): Promise<Subject> {
  const path = join(ROOT, 'test/fixtures/ledger/subject.js')
  const words = ['--expose-gc', path, JSON.stringify({ addon: buildAddon('heaps'), ...given })]
  return start(t, process.execPath, words, { env: { ...process.env, ...env } })
}

/** What the process says after it has trimmed, the first thing that it does when it goes on. */
async function continued({ pid, child }: Subject): Promise<{ back: number; left: number }> {
  const lines = createInterface(child.stdout!)
  process.kill(pid, 'SIGCONT')
  const [line] = (await once(lines, 'line')) as [string]
  return JSON.parse(line)
}

function resolved(name: string): string | null {
  try {
    return require.resolve(name)
  } catch {
    return null
  }
}

function of({ owners }: Ledger, which: Owner[]): number {
  return which.reduce((total, owner) => total + (owners[owner] ?? 0), 0)
}

function sum({ owners }: Ledger): number {
  return Object.values(owners).reduce((total, bytes) => total + bytes, 0)
}

function percent({ unexplained, rss }: Ledger): string {
  return `${((100 * unexplained) / rss).toFixed(2)} %`
}

function mib(bytes: number, signed = false): string {
  return `${signed && bytes >= 0 ? '+' : ''}${(bytes / MiB).toFixed(2)} MiB`
}
