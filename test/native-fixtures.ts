/**
 * Compiles the addons and libraries of test/fixtures/native into out/fixtures, with the compilers that this machine has.
 * What was compiled is kept under a name that says from what; a change makes another file.
 */

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

const ROOT = dirname(dirname(require.resolve('#dist/binding')))
const SOURCES = join(ROOT, 'test/fixtures/native')
const BUILT = join(ROOT, 'out/fixtures')
const NODE_API = join(ROOT, 'node_modules/node-api-headers/include')

export type Compiler = 'gcc' | 'clang'

export const compilers = (['gcc', 'clang'] as const).filter((name) => spawnSync(name, ['--version']).status === 0)

/** Why the tests that preload something cannot run here, or false. */
export const noGlibc =
  (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime ===
    undefined && 'needs glibc'

const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']

/** Allocators to preload, each with its path, or with why it cannot be. */
export const preloads = Object.entries({
  jemalloc: 'libjemalloc.so.2',
  mimalloc: 'libmimalloc.so.2',
  tcmalloc: 'libtcmalloc_minimal.so.4',
}).map(([name, file]) => {
  const path = FOLDERS.map((folder) => `${folder}/${file}`).find((candidate) => existsSync(candidate))
  return { name, path, missing: noGlibc || (path === undefined && `${file} is not installed`) }
})

/** An addon from one C file; gives its path. */
export function buildAddon(name: string, flags: string[] = [], compiler: Compiler = compilers[0]!): string {
  const source = join(SOURCES, `${name}.c`)
  const command = [
    '-std=gnu11',
    '-O2',
    '-g',
    '-fPIC',
    '-shared',
    '-pthread',
    '-DNAPI_VERSION=8',
    `-I${NODE_API}`,
    ...flags,
  ]
  const path = join(BUILT, `${name}-${digest(compiler, ...command, readFileSync(source))}.node`)
  if (existsSync(path)) return path
  mkdirSync(BUILT, { recursive: true })
  const unfinished = `${path}.${process.pid}`
  const { status, stderr } = spawnSync(compiler, [...command, source, '-o', unfinished, '-ldl', '-lm'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${compiler} cannot compile ${name}.c:\n${stderr}`)
  renameSync(unfinished, path)
  return path
}

/**
 * tidemark's addon, compiled so that a hook stays on the stack while it calls what it hooks: gives a folder for the
 * environment variable TIDEMARK_PREBUILD.
 */
export async function buildWithoutTailCalls(): Promise<string> {
  const native = join(ROOT, 'native')
  const lines = (name: string, start: string) =>
    readFileSync(join(native, name), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(start))
  const headers = readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.h'))
    .sort()
  const command = [
    ...lines('flags.txt', '-').filter((flag) => !flag.startsWith('-W')),
    ...[
      '-O1',
      '-fPIC',
      '-fno-omit-frame-pointer',
      '-fno-optimize-sibling-calls',
      '-pthread',
      '-include',
      'oldest_glibc.h',
    ],
    ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS', '-DNDEBUG'],
    ...[`-I${native}`, `-I${NODE_API}`, `-I${join(ROOT, 'node_modules/node-addon-api')}`],
  ]
  const shared = digest(...command, ...headers.map((path) => readFileSync(join(native, path))))
  const objects = lines('sources.txt', 'native/').map((name) => {
    const source = join(ROOT, name)
    const object = `${name.replaceAll('/', '-')}-${digest(shared, readFileSync(source))}.o`
    return { source, object: join(BUILT, 'no-tail-calls', object) }
  })
  const folder = join(BUILT, `no-tail-calls-${digest(...objects.map(({ object }) => object))}`)
  const addon = join(folder, 'build/Release/tidemark.node')
  if (existsSync(addon)) return folder
  mkdirSync(join(BUILT, 'no-tail-calls'), { recursive: true })
  mkdirSync(dirname(addon), { recursive: true })

  const queue = objects.filter(({ object }) => !existsSync(object))
  const compileSome = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await run([...command, '-c', next.source], next.object)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, compileSome))
  await run(['-shared', '-Wl,-z,nodelete,-z,relro,-z,now', ...objects.map(({ object }) => object), '-pthread'], addon)
  return folder
}

async function run(words: string[], out: string): Promise<void> {
  const unfinished = `${out}.${process.pid}`
  const child = spawn('g++', [...words, '-o', unfinished], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const status = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (status !== 0) throw new Error(`g++ cannot make ${out}:\n${errors}`)
  renameSync(unfinished, out)
}

function digest(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex').slice(0, 16)
}
