import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { addonProblem } from '#dist/binding'
import { readProfile } from '#dist/export/read-profile'
import { readTimeline } from '#dist/run/timeline'
import {
  FILES,
  filesOf,
  readVerdict,
  start,
  startTidemark,
  temporaryFolder,
  tidemark,
  timelineLines,
  write,
} from './tidemark.js'

/** A script in a folder of its own, and where its run is recorded. */
function prepare(t: TestContext, text: string, name = 'app.js') {
  const cwd = temporaryFolder(t)
  const script = write(cwd, name, text)
  const out = join(cwd, 'out')
  return { cwd, script, out, words: ['run', '--interval', '50ms', '--out', out] }
}

const KEEP_ALIVE = 'setInterval(() => {}, 1000);'

test('the exit code of the script is the exit code of run', async (t) => {
  const { words, script, out } = prepare(t, 'process.exitCode = 7')
  const { code, stderr } = await tidemark(t, [...words, script])
  assert.equal(code, 7)
  assert.match(stderr, /UNKNOWN/)
  assert.deepEqual(filesOf(out), FILES)
})

test('a script that a signal killed ends run with 128 and the number of the signal', async (t) => {
  const { words, script, out } = prepare(t, 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)')
  const { code, signal, stderr } = await tidemark(t, [...words, script])
  assert.equal(signal, null)
  assert.equal(code, 128 + 15)
  assert.match(stderr, /killed by SIGTERM/)
  assert.equal(readVerdict(out).version, 1)
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) {
  test(`${signal} reaches the script exactly once, and run waits for what the script does with it`, async (t) => {
    const { words, script, out } = prepare(
      t,
      `let count = 0
       process.on('${signal}', () => { if (++count === 1) setTimeout(() => process.exit(40 + count), 300) })
       ${KEEP_ALIVE} console.log('ready')`,
    )
    const running = startTidemark(t, [...words, script])
    await running.says('ready')
    running.child.kill(signal)
    assert.equal((await running.end).code, 41)
    assert.equal(readVerdict(out).version, 1)
  })
}

const noTerminal = spawnSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' }).status !== 0

/** Types Ctrl-C on a terminal of its own, in which a shell runs `tidemark run`. */
for (const [how, redirection] of [
  ['a terminal', ''],
  ['a terminal with stdin from a file', ' < /dev/null'],
]) {
  test(`Ctrl-C at ${how} reaches the script exactly once`, { skip: noTerminal && 'needs script(1)' }, async (t) => {
    const { words, script, out } = prepare(
      t,
      `let count = 0
       process.on('SIGINT', () => { if (++count === 1) setTimeout(() => process.exit(40 + count), 300) })
       ${KEEP_ALIVE} console.log('ready')`,
    )
    const main = require.resolve('#dist/cli/main')
    const line = [process.execPath, main, ...words, script].map((word) => `'${word}'`).join(' ')
    const running = start(t, 'script', ['-qec', `exec ${line}${redirection}`, '/dev/null'], { env: process.env })
    await running.says('ready')
    running.child.stdin!.write('\x03')
    assert.equal((await running.end).code, 41)
    assert.equal(readVerdict(out).version, 1)
  })
}

test('SIGKILL of the script loses at most the last line, and the verdict is still written', async (t) => {
  const { words, script, out } = prepare(t, `${KEEP_ALIVE} setTimeout(() => console.log(process.pid + ' ready'), 400)`)
  const running = startTidemark(t, [...words, script])
  await running.says('ready')
  const pid = Number.parseInt(readFileSync(join(out, 'timeline.ndjson'), 'utf8').match(/"pid":(\d+)/)![1]!, 10)
  process.kill(pid, 'SIGKILL')
  const { code, stderr } = await running.end
  assert.equal(code, 137)
  assert.match(stderr, /killed by SIGKILL/)
  const lines = timelineLines(out)
  assert.ok(lines.length >= 3, `${lines.length} lines`)
  for (const line of lines) JSON.parse(line)
  assert.equal(readVerdict(out).version, 1)
})

test('report makes the same verdict and the same report again from the timeline alone', async (t) => {
  const { words, script, out } = prepare(t, 'setTimeout(() => {}, 700)')
  await tidemark(t, [...words, script])
  const [verdict, page] = ['verdict.json', 'report.html'].map((name) => readFileSync(join(out, name), 'utf8'))
  const copy = join(temporaryFolder(t), 'copy')
  mkdirSync(copy)
  write(copy, 'timeline.ndjson', readFileSync(join(out, 'timeline.ndjson'), 'utf8'))
  const { code, stderr, stdout } = await tidemark(t, ['report', copy])
  assert.equal(code, 0)
  assert.equal(stdout.length, 0)
  assert.match(stderr, /RSS/)
  assert.equal(readFileSync(join(copy, 'verdict.json'), 'utf8'), verdict)
  assert.equal(readFileSync(join(copy, 'report.html'), 'utf8'), page)
})

test('an uncaught exception ends the script as it does without tidemark, and the verdict is written', async (t) => {
  const { words, script, out } = prepare(t, 'throw new Error("boom")')
  const plain = spawnSync(process.execPath, [script], { encoding: 'utf8' })
  const { code, stderr } = await tidemark(t, [...words, script])
  assert.equal(code, plain.status)
  assert.ok(stderr.startsWith(plain.stderr), stderr)
  assert.deepEqual(filesOf(out), FILES)
})

test('ES modules run as they do without tidemark', async (t) => {
  const text = `import { basename } from 'node:path'
    const { default: assert } = await import('node:assert')
    assert(basename(import.meta.url) === 'app.mjs')
    console.log(JSON.stringify(process.argv))`
  const { words, script, out } = prepare(t, text, 'app.mjs')
  const { code, stdout } = await tidemark(t, [...words, '--', script, '--json', '-x'])
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout.toString()), [process.execPath, script, '--json', '-x'])
  assert.ok(timelineLines(out).length >= 2)
})

const LOOK_AROUND = `
  console.log(JSON.stringify({
    argv: process.argv, execArgv: process.execArgv, title: process.title,
    settings: Object.keys(process.env).filter((name) => name.startsWith('TIDEMARK')),
    main: require.main === module,
    handles: process._getActiveHandles().length, requests: process._getActiveRequests().length,
    resources: process.getActiveResourcesInfo(),
    listeners: process.eventNames().filter((name) => /^(uncaught|unhandled|beforeExit|warning|SIG)/.test(String(name))),
  }))`

test('the script sees the process that it sees without tidemark', async (t) => {
  const { words, script } = prepare(t, LOOK_AROUND)
  const flags = ['--no-warnings']
  const plain = spawnSync(process.execPath, [...flags, script, 'a'], { encoding: 'utf8', input: '' })
  const { stdout } = await tidemark(t, [...words, '--', process.execPath, ...flags, script, 'a'])
  assert.deepEqual(JSON.parse(stdout.toString()), JSON.parse(plain.stdout))
})

test('a script with nothing left to do ends, however long the interval is', async (t) => {
  const { out, script } = prepare(t, '')
  const { code } = await tidemark(t, ['run', '--interval', '1d', '--out', out, script])
  assert.equal(code, 0)
})

test('stdout of the script is untouched, byte for byte', async (t) => {
  const bytes = 'Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256))'
  const { words, script } = prepare(t, `process.stdout.write(${bytes})`)
  const { stdout } = await tidemark(t, [...words, script])
  assert.deepEqual(stdout, Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 256)))
})

test('stdin goes to the script', async (t) => {
  const { words, script } = prepare(t, 'process.stdin.pipe(process.stdout)')
  const { stdout } = await tidemark(t, [...words, script], { input: 'from outside' })
  assert.equal(stdout.toString(), 'from outside')
})

test('a disk that fills up is said once, and the script goes on to its own end', async (t) => {
  const { words, script, out } = prepare(t, 'setTimeout(() => { console.log("done"); process.exit(5) }, 400)')
  mkdirSync(out)
  symlinkSync('/dev/full', join(out, 'timeline.ndjson'))
  const { code, stdout, stderr } = await tidemark(t, [...words, script])
  assert.equal(code, 5)
  assert.equal(stdout.toString(), 'done\n')
  assert.equal(stderr.match(/ERR_TIDEMARK_OUT_WRITE.*ENOSPC.*--out/g)?.length, 1, stderr)
})

test('a folder that cannot be made is an error before the script starts', async (t) => {
  const { script, cwd } = prepare(t, 'console.log("started")')
  const { code, stdout, stderr } = await tidemark(t, ['run', '--out', join(script, 'out'), script], { cwd })
  assert.equal(code, 1)
  assert.equal(stdout.toString(), '')
  assert.match(stderr, /ERR_TIDEMARK_OUT_WRITE.*ENOTDIR.*--out/)
})

test('a folder below one that takes none is an error, where making it with all above would never return', async (t) => {
  const { script, cwd } = prepare(t, '')
  const { code, stderr } = await tidemark(t, ['run', '--out', '/proc/nope/deep', script], { cwd })
  assert.equal(code, 1)
  assert.match(stderr, /ERR_TIDEMARK_OUT_WRITE.*--out/)
})

test('a script that does not exist is an error before anything is made', async (t) => {
  const { cwd } = prepare(t, '')
  for (const words of [
    ['nope.js'],
    ['--', 'node', 'nope.js'],
    ['--', 'node', '--no-warnings=x', '-r', 'x', 'nope.js'],
  ]) {
    const { code, stderr } = await tidemark(t, ['run', ...words], { cwd })
    assert.equal(code, 1)
    assert.match(stderr, /ERR_TIDEMARK_SCRIPT_NOT_FOUND.*nope\.js/)
  }
  assert.deepEqual(readdirSync(cwd), ['app.js'])
})

test('a script is found as node finds it: without its extension, or as a folder', async (t) => {
  const { cwd, words } = prepare(t, 'console.log("app")')
  mkdirSync(join(cwd, 'service'))
  write(cwd, 'service/index.js', 'console.log("service")')
  assert.equal((await tidemark(t, [...words, 'app'], { cwd })).stdout.toString(), 'app\n')
  assert.equal((await tidemark(t, [...words, 'service'], { cwd })).stdout.toString(), 'service\n')
})

test('without --out the folder is named after the script, in the current folder', async (t) => {
  const { cwd } = prepare(t, '')
  const { stderr } = await tidemark(t, ['run', 'app.js'], { cwd })
  const made = readdirSync(cwd).find((name) => name !== 'app.js')
  assert.match(made ?? '', /^tidemark-app-\d{8}T\d{6}Z-\d+$/)
  assert.ok(stderr.includes(made!), stderr)
})

const KEEPS = `
  const kept = []
  function keep() {
    kept.push(Buffer.alloc(65536, 1))
  }
  const timer = setInterval(() => { for (let i = 0; i < 16; i++) keep() }, 20)
  setTimeout(() => clearInterval(timer), 6000)`

test('a run leaves a profile that names who allocated, and its timeline follows the sites', async (t) => {
  if (addonProblem !== null) return t.skip(addonProblem)
  const { words, script, out } = prepare(t, KEEPS)
  const { code } = await tidemark(t, [...words, '--sample', '64KiB', script])
  assert.equal(code, 0)
  const { columns } = readProfile(out)
  assert.equal(columns.intervalBytes, 65536)
  assert.ok(columns.frames.some((frame) => frame.function === 'keep' && frame.file === script))
  const readings = [...readTimeline(join(out, 'timeline.ndjson'), () => assert.fail('a line was skipped'))]
  // The small objects that stand for buffers are on the JS heap.
  const keeps = readings
    .flatMap(({ siteDefs }) => siteDefs ?? [])
    .filter((def) => def.function === 'keep' && def.owner === 'array-buffers')
  assert.ok(keeps.length > 0, 'the site is defined')
  for (const { file, line } of keeps) {
    assert.equal(file, script)
    // V8 does not know the line of a call in all of its code; then it is that of the function.
    assert.ok(line === 3 || line === 4, `line ${line}`)
  }
  const numbers = new Set(keeps.map(({ site }) => site))
  const live = readings.flatMap(({ sites }) => {
    return sites ? sites.reduce((sum, line) => sum + (numbers.has(line.site) ? line.live : 0), 0) : []
  })
  assert.ok(live.length >= 2 && live.at(-1)! > live[0]! + 2 ** 20, live.join(' '))
  assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /Live memory by stack/)
})

test('with --sample off nothing is sampled, and a profile of an earlier run is gone', async (t) => {
  const { words, script, out } = prepare(t, 'setTimeout(() => {}, 1500)')
  mkdirSync(out)
  write(out, 'profile.pb.gz', 'of an earlier run')
  await tidemark(t, [...words, '--sample', 'off', script])
  assert.deepEqual(readdirSync(out).sort(), FILES)
  assert.ok(!timelineLines(out).some((line) => line.includes('"sites"')))
})

test('worker threads and forked processes of the script are not recorded a second time', async (t) => {
  const { cwd, words, out } = prepare(
    t,
    `const { fork } = require('node:child_process')
     const { Worker } = require('node:worker_threads')
     if (process.argv[2] === 'child') {
       new Worker('setTimeout(() => {}, 150)', { eval: true })
     } else {
       new Worker('setTimeout(() => {}, 150)', { eval: true })
       fork(__filename, ['child']).on('exit', (code) => { console.log('child', code) })
     }`,
  )
  const { stdout } = await tidemark(t, [...words, 'app.js'], { cwd })
  assert.equal(stdout.toString(), 'child 0\n')
  assert.deepEqual(readdirSync(cwd).sort(), ['app.js', 'out'])
  const pids = timelineLines(out).flatMap((line) => (JSON.parse(line).run ? [JSON.parse(line).run.pid] : []))
  assert.equal(pids.length, 1)
  assert.deepEqual(filesOf(out), FILES)
})

test('--json prints the verdict on one line of stdout, and no summary', async (t) => {
  const { words, script, out } = prepare(t, 'console.log("own output")')
  const { stdout, stderr } = await tidemark(t, [...words, '--json', script])
  const [first, last, ...rest] = stdout.toString().split('\n')
  assert.equal(first, 'own output')
  assert.deepEqual(JSON.parse(last!), readVerdict(out))
  assert.deepEqual(rest, [''])
  assert.equal(stderr, '')
})

test('a folder that is used again keeps its lines, and the last run counts', async (t) => {
  const { words, script, out } = prepare(t, 'setTimeout(() => {}, 200)')
  await tidemark(t, [...words, script])
  const before = timelineLines(out)
  await tidemark(t, [...words, script])
  const after = timelineLines(out).filter((line) => line !== '')
  assert.deepEqual(after.slice(0, before.length), before)
  const readings = after.length - before.length
  assert.ok(readVerdict(out).evidence[0]!.startsWith(`${readings} readings`), readVerdict(out).evidence[0])
})

test('tidemark/register records without the command line, and concludes at exit', async (t) => {
  const cwd = temporaryFolder(t)
  const script = write(cwd, 'app.mjs', 'setTimeout(() => process.exit(3), 200)')
  const out = join(cwd, 'out')
  // From here the package finds itself by its name, as a service that depends on it does.
  const flags = ['--import', 'tidemark/register']
  const env = { ...process.env, TIDEMARK_OUT: out, TIDEMARK_INTERVAL: '50ms' }
  const { code, stdout, stderr } = await start(t, process.execPath, [...flags, script], { cwd: __dirname, env }).end
  assert.equal(code, 3)
  assert.equal(stdout.toString(), '')
  assert.match(stderr, /^tidemark: \w.*report\.html\n$/)
  assert.deepEqual(filesOf(out), FILES)
})

/** A script under tidemark/register, in an environment that would reach whatever process it starts. */
function registered(t: TestContext, text: string, environment: Record<string, string> = {}) {
  const cwd = temporaryFolder(t)
  const script = write(cwd, 'app.js', text)
  const out = join(cwd, 'out')
  const env = { ...process.env, TIDEMARK_OUT: out, TIDEMARK_INTERVAL: '50ms', ...environment }
  const words = ['--require', require.resolve('#dist/register'), script]
  return { cwd, out, end: start(t, process.execPath, words, { cwd, env }).end }
}

test('the report that tidemark/register makes at exit is made without the modules that the service preloads', async (t) => {
  const noise = write(temporaryFolder(t), 'noise.js', 'console.log("preloaded")')
  const { out, end } = registered(t, 'setTimeout(() => {}, 200)', {
    NODE_OPTIONS: `--require ${noise}`,
    NODE_DEBUG: 'fs',
  })
  const { code, stdout, stderr } = await end
  assert.equal(code, 0)
  assert.equal(stdout.toString(), 'preloaded\n')
  assert.match(stderr, /tidemark: \w+: .*report\.html\n$/)
  assert.deepEqual(filesOf(out), FILES)
})

test('where no other process can be started the report of tidemark/register is made in the service itself', async (t) => {
  const { out, end } = registered(t, 'process.execPath = "/nope"; setTimeout(() => process.exit(4), 200)')
  const { code, stderr } = await end
  assert.equal(code, 4)
  assert.match(stderr, /^tidemark: \w+: .*report\.html\n$/)
  assert.deepEqual(filesOf(out), FILES)
})

test('a report of tidemark/register that cannot be written is said at exit, with the verdict', async (t) => {
  const { end } = registered(
    t,
    `const { mkdirSync } = require('node:fs')
     setTimeout(() => { mkdirSync('out/report.html') ; process.chdir('/') }, 200)`,
  )
  const { code, stderr } = await end
  assert.equal(code, 0)
  assert.match(stderr, /^tidemark: ERR_TIDEMARK_OUT_WRITE: .*EISDIR.*\ntidemark: \w+: .*report\.html\n$/)
})

test('where the folder of a run is gone at exit, tidemark/register says so, as the command line would', async (t) => {
  const { end } = registered(t, `require('node:fs').rmSync('out', { recursive: true })`)
  const { code, stderr } = await end
  assert.equal(code, 0)
  assert.match(stderr, /^tidemark: ERR_TIDEMARK_RUN_FOLDER: .*timeline\.ndjson.*\n$/)
})

test('a setting of tidemark/register that is wrong is said, and the service runs', async (t) => {
  const cwd = temporaryFolder(t)
  const script = write(cwd, 'app.js', 'console.log("fine")')
  const env = { ...process.env, TIDEMARK_OUT: join(cwd, 'out'), TIDEMARK_INTERVAL: 'often' }
  const words = ['--require', require.resolve('#dist/register'), script]
  const { code, stdout, stderr } = await start(t, process.execPath, words, { cwd, env }).end
  assert.equal(code, 0)
  assert.equal(stdout.toString(), 'fine\n')
  assert.match(stderr, /ERR_TIDEMARK_ARGUMENT.*'often'/)
})

test('a node flag that node refuses is said by node, with its exit code', async (t) => {
  const { words, script, out } = prepare(t, '')
  const { code, stderr } = await tidemark(t, [...words, '--', 'node', '--no-such-flag', script])
  assert.equal(code, 9)
  assert.match(stderr, /bad option/)
  assert.match(stderr, /ERR_TIDEMARK_RUN_FOLDER.*no reading/)
  assert.ok(!existsSync(join(out, 'verdict.json')))
})

test('a reader of stdout that goes away changes nothing', async (t) => {
  const { words, script, out } = prepare(t, 'process.stdin.resume().on("end", () => process.exit(6))')
  const running = startTidemark(t, [...words, '--json', script])
  running.child.stdout!.destroy()
  await once(running.child.stdout!, 'close')
  running.child.stdin!.end()
  const [code] = await once(running.child, 'exit')
  assert.equal(code, 6)
  assert.equal(readVerdict(out).version, 1)
})
