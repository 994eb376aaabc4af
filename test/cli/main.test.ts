import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DIST, MAIN, start, temporaryFolder, tidemark, write } from './tidemark.js'

const COMMANDS = ['run', 'watch', 'maps', 'diff', 'report', 'export', 'status']

test('tidemark without a word prints its help to stderr, and that is wrong usage', async (t) => {
  const { code, stdout, stderr } = await tidemark(t, [])
  assert.equal(code, 2)
  assert.equal(stdout.toString(), '')
  for (const command of COMMANDS) assert.ok(stderr.includes(`tidemark ${command}`), command)
})

test('asked for help it prints it to stdout', async (t) => {
  for (const words of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await tidemark(t, words)
    assert.equal(code, 0)
    assert.match(stdout.toString(), /tidemark run/)
    assert.equal(stderr, '')
  }
})

for (const command of COMMANDS) {
  test(`${command} --help names every option that ${command} takes, and helps whatever else is wrong`, async (t) => {
    const { code, stdout } = await tidemark(t, [command, '--nonsense', '--help'])
    assert.equal(code, 0)
    const source = readFileSync(join(DIST, 'cli', `${command}.js`), 'utf8')
    for (const [, option] of source.matchAll(/(\w+): \{ type: '(?:string|boolean)'/g)) {
      assert.ok(stdout.includes(`--${option}`), `--${option}`)
    }
    assert.match(stdout.toString(), new RegExp(`^tidemark ${command} `))
  })

  test(`${command} refuses an option that it does not know, by its name`, async (t) => {
    const { code, stderr } = await tidemark(t, [command, '--colour', '1'])
    assert.equal(code, 2)
    assert.match(stderr, new RegExp(`^tidemark ${command}: .*'--colour'.*tidemark ${command} --help\\n$`))
  })
}

test('--version prints the version of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(DIST, '../package.json'), 'utf8')) as { version: string }
  assert.equal((await tidemark(t, ['--version'])).stdout.toString(), `${version}\n`)
})

test('commands and options that do not exist are named', async (t) => {
  for (const word of ['attach', '--out', 'toString']) {
    const { code, stderr } = await tidemark(t, [word])
    assert.equal(code, 2)
    assert.match(stderr, new RegExp(`'${word}'.*tidemark --help`))
  }
})

test('wrong words are named with the way to the help', async (t) => {
  for (const [words, wrong] of [
    [['run'], 'SCRIPT'],
    [['run', '--interval', '5', 'x.js'], "'5'"],
    [['run', '--interval', '1ms', 'x.js'], "'1ms'"],
    [['run', '--sample', '1KiB', 'x.js'], "'1KiB'"],
    [['run', '--sample', '512KB', 'x.js'], "'512KB'"],
    [['run', '--out'], '--out'],
    [['watch'], 'PID'],
    [['watch', 'x'], "'x'"],
    [['watch', '0'], "'0'"],
    [['watch', '-1'], '-1'],
    [['watch', '1', '2'], "'2'"],
    [['watch', '1', '--seconds', 'few'], "'few'"],
    [['maps', '1', '--min', '1MB'], "'1MB'"],
    [['maps', '1', '--group', 'size'], "'size'"],
    [['diff', 'a'], 'B'],
    [['report'], 'DIR'],
  ] as const) {
    const { code, stderr } = await tidemark(t, [...words])
    assert.equal(code, 2, stderr)
    assert.ok(stderr.includes(wrong) && stderr.includes(`tidemark ${words[0]} --help`), stderr)
  }
})

test('a folder without a timeline, or with an empty one, cannot be reported', async (t) => {
  const folder = temporaryFolder(t)
  const missing = await tidemark(t, ['report', folder])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /ERR_TIDEMARK_RUN_FOLDER.*ENOENT.*tidemark run/)
  write(folder, 'timeline.ndjson', 'not a reading\n')
  const empty = await tidemark(t, ['report', folder])
  assert.equal(empty.code, 1)
  assert.match(empty.stderr, /ERR_TIDEMARK_RUN_FOLDER.*no reading/)
  assert.deepEqual(readdirSync(folder), ['timeline.ndjson'])
})

test('lines that could not be read are said in the summary and in the verdict', async (t) => {
  const folder = temporaryFolder(t)
  const reading = { t: 1, rss: 1, anon: 1, file: 0, shmem: 0, swap: 0, owners: {} }
  write(folder, 'timeline.ndjson', `${JSON.stringify(reading)}\ngarbage\n{"t":`)
  const { code, stderr, stdout } = await tidemark(t, ['report', '--json', folder])
  assert.equal(code, 0, stderr)
  assert.ok(JSON.parse(stdout.toString()).evidence.some((sentence: string) => sentence.startsWith('2 lines')))
  assert.match((await tidemark(t, ['report', folder])).stderr, /2 lines/)
})

test('status says what can be seen here, and whether a process can be read', async (t) => {
  const here = await tidemark(t, ['status'])
  assert.equal(here.code, 0)
  assert.match(here.stdout.toString(), /^tidemark +\d+\.\d+/)
  assert.match(here.stdout.toString(), /addon +loaded/)
  const json = await tidemark(t, ['status', '--json', String(process.pid)])
  assert.equal(json.code, 0)
  assert.deepEqual(JSON.parse(json.stdout.toString()).process.readable, true)
  const gone = await tidemark(t, ['status', String(2 ** 22 - 1)])
  assert.equal(gone.code, 1)
  assert.match(gone.stdout.toString(), /ERR_TIDEMARK_NO_PROCESS/)
})

test('a full disk behind stdout is said in words, and run keeps the exit code of the script', async (t) => {
  const folder = temporaryFolder(t)
  const script = write(folder, 'app.js', 'process.exit(7)')
  const onFullDisk = (...words: string[]) =>
    start(t, 'sh', ['-c', 'exec "$@" > /dev/full', 'sh', process.execPath, MAIN, ...words]).end
  for (const [words, expected] of [
    [['status'], 1],
    [['maps', String(process.pid), '--json'], 1],
    [['run', '--json', '--out', join(folder, 'out'), script], 7],
  ] as const) {
    const { code, stderr } = await onFullDisk(...words)
    assert.equal(code, expected, words[0])
    assert.match(stderr, /^tidemark: ERR_TIDEMARK_OUT_WRITE: .*stdout \(ENOSPC\).*\n$/)
  }
})
