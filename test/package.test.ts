/** The package as a user gets it: packed, installed with install scripts off, run where there is no compiler. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'

const ROOT = resolve(__dirname, '../..')

const folder = mkdtempSync(join(tmpdir(), 'tidemark-package-'))
/** The only folder on the PATH of what is run here: the Node under test, npx and sh, and no compiler. */
const bin = join(folder, 'bin')
/** A user's project that has installed the package. */
const app = join(folder, 'app')
const installed = join(app, 'node_modules/tidemark')

/** What a project of a package runs on its own when it is installed, packed or published. */
const LIFECYCLE = /^(pre|post)?(install|prepare|pack|publish|version)$|^(dependencies|prepublishOnly)$/

let packed: string[]

before(() => {
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const name of ['npx', 'sh']) symlinkSync(onPath(name), join(bin, name))

  packed = pack(ROOT)
  // The dependency comes as a file too: this test must not need a registry.
  pack(join(ROOT, 'node_modules/node-gyp-build'))
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{ "private": true }')
  npm(app, 'install', '--ignore-scripts', '--offline', ...tarballs.map((name) => join('..', name)))
})

after(() => rmSync(folder, { recursive: true, force: true }))

test('the tarball holds dist, prebuilds, README and LICENSE, and nothing else', () => {
  const allowed = /^(dist|prebuilds)\/|^(README\.md|LICENSE|package\.json)$/
  assert.deepEqual(
    packed.filter((path) => !allowed.test(path)),
    [],
  )
  for (const needed of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.mjs', 'dist/cli/main.js']) {
    assert.ok(packed.includes(needed), `${needed} is missing`)
  }
  assert.match(packed.join('\n'), /^prebuilds\/linux-\w+\/tidemark\.(glibc|musl)\.node$/m)
})

test('installing the package gives npm nothing to run', () => {
  const { scripts, gypfile } = manifest()
  assert.deepEqual(
    Object.keys(scripts).filter((name) => LIFECYCLE.test(name)),
    [],
  )
  // npm 12 counts a binding.gyp at the root as an install script, whatever gypfile says, and warns at every install.
  assert.equal(gypfile, false)
  assert.ok(!existsSync(join(installed, 'binding.gyp')))
})

test('every file that package.json points to is in the tarball', () => {
  const { main, types, bin, exports } = manifest()
  for (const path of strings([main, types, bin, exports])) {
    assert.ok(packed.includes(path.replace(/^\.\//, '')), `${path} is missing`)
  }
})

test('every source map in the tarball carries its sources, and every reference to a map resolves', () => {
  for (const path of packed.filter((path) => path.endsWith('.map'))) {
    const map = JSON.parse(readFileSync(join(installed, path), 'utf8'))
    assert.equal(map.sourcesContent?.length, map.sources.length, `${path} needs files that are not in the tarball`)
  }
  for (const path of packed.filter((path) => /\.m?js$/.test(path))) {
    const file = join(installed, path)
    const map = /^\/\/# sourceMappingURL=(.+)$/m.exec(readFileSync(file, 'utf8'))?.[1]
    assert.ok(!map || existsSync(join(dirname(file), map)), `${path} refers to ${map}`)
  }
})

test('with scripts off and no compiler it loads its addon, from CommonJS and from an ES module', () => {
  const tell = 'console.log(JSON.stringify(status().addon))'
  const loaded = { loaded: true, problem: null }
  const commonJs = run(app, 'node', '--eval', `const { status } = require('tidemark'); ${tell}`)
  assert.deepEqual(JSON.parse(commonJs), loaded)
  const esModule = run(app, 'node', '--input-type=module', '--eval', `import { status } from 'tidemark'; ${tell}`)
  assert.deepEqual(JSON.parse(esModule), loaded)
})

test('npx tidemark records a run there, with the addon', () => {
  const npx = ['--offline', '--no', '--', 'tidemark']
  assert.equal(JSON.parse(run(app, 'npx', ...npx, 'status', '--json')).addon.loaded, true)
  writeFileSync(join(app, 'hello.js'), "console.log('hello')")
  assert.equal(run(app, 'npx', ...npx, 'run', '--out', 'recorded', 'hello.js'), 'hello')
  for (const file of ['timeline.ndjson', 'verdict.json']) {
    assert.ok(existsSync(join(app, 'recorded', file)), `${file} is missing`)
  }
})

test('without the addon it still imports and reads what Node itself knows, and status() says what is missing', () => {
  const bare = join(folder, 'bare')
  cpSync(app, bare, { recursive: true })
  rmSync(join(bare, 'node_modules/tidemark/prebuilds'), { recursive: true })
  const script = `const { status, usage } = require('tidemark')
    console.log(JSON.stringify([status().addon.problem, usage().rss]))`
  const [problem, rss] = JSON.parse(run(bare, 'node', '--eval', script))
  assert.match(problem, /no native build was found for platform=linux/i)
  assert.ok(rss > 1024 * 1024, `${rss} bytes is no Node process`)
})

/** Runs a command of `bin` to its end; returns what it printed. */
function run(cwd: string, command: string, ...args: string[]): string {
  const env = { HOME: folder, PATH: bin, npm_config_update_notifier: 'false' }
  return execFileSync(join(bin, command), args, { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trim()
}

/** npm runs on its own Node, which need not be the one under test. */
function npm(cwd: string, ...args: string[]): string {
  const quiet = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier']
  return execFileSync('npm', [...args, ...quiet], { cwd, encoding: 'utf8', stdio: 'pipe' })
}

/** Packs a package into the test's folder; returns the paths inside the tarball. */
function pack(source: string): string[] {
  const [{ files }] = JSON.parse(npm(source, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  return files.map((file: { path: string }) => file.path)
}

function manifest() {
  return JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
}

function onPath(name: string): string {
  const folders = process.env.PATH?.split(delimiter) ?? []
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  assert.ok(found, `${name} is not on the PATH`)
  return found
}

/** Every string in a value, however deep. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}
