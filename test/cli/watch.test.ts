import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Reading } from 'tidemark'
import { MAIN, start, startTidemark, tidemark } from './tidemark.js'

const quiet = ['-c', 'echo ready; read line']

test('--json prints readings of a process of any language, one a line, until its time is up', async (t) => {
  const shell = start(t, 'sh', quiet)
  await shell.says('ready')
  const words = ['watch', String(shell.child.pid), '--interval', '50ms', '--seconds', '0.5', '--json']
  const { code, stdout, stderr } = await tidemark(t, words)
  assert.equal(code, 0)
  const readings = stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Reading)
  assert.ok(readings.length >= 2)
  for (const { rss, owners } of readings) {
    assert.ok(rss > 0)
    assert.equal(
      Object.values(owners).reduce((sum, bytes) => sum + bytes, 0),
      rss,
    )
  }
  assert.match(stderr, /RSS/)
})

test('the end of the process ends the watch, and what was seen is said', async (t) => {
  const shell = start(t, 'sh', quiet)
  await shell.says('ready')
  const watching = startTidemark(t, ['watch', String(shell.child.pid), '--interval', '20ms'])
  await watching.says('rss')
  shell.child.stdin!.end()
  const { code, stdout, stderr } = await watching.end
  assert.equal(code, 0)
  assert.match(stdout.toString(), /^\d\d:\d\d:\d\d {2}rss .*anon .*file /)
  assert.match(stderr, new RegExp(`process ${shell.child.pid} has ended`))
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends the watch with its summary`, async (t) => {
    const watching = startTidemark(t, ['watch', String(process.pid), '--interval', '20ms'])
    await watching.says('rss')
    watching.child.kill(signal)
    const { code, stderr } = await watching.end
    assert.equal(code, 0)
    assert.match(stderr, /RSS/)
  })
}

test('a reader that has seen enough ends the watch quietly', async (t) => {
  const watching = startTidemark(t, ['watch', String(process.pid), '--interval', '20ms'])
  await watching.says('rss')
  watching.child.stdout!.destroy()
  const [code] = await once(watching.child, 'exit')
  assert.equal(code, 0)
})

const noTerminal = spawnSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' }).status !== 0

test('on a terminal the picture is redrawn in place', { skip: noTerminal && 'needs script(1)' }, async (t) => {
  const line = `stty cols 120 rows 40; '${process.execPath}' '${MAIN}' watch ${process.pid} --interval 50ms --seconds 0.4`
  const { stdout } = await start(t, 'script', ['-qec', line, '/dev/null']).end
  const text = stdout.toString()
  assert.match(text, /watching \d+ /)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the cursor going up is what is looked for
  assert.match(text, /\u001b\[\d+A\u001b\[0J.*watching/)
})

test('a process that is gone cannot be watched', async (t) => {
  const { code, stderr } = await tidemark(t, ['watch', String(2 ** 22 - 1)])
  assert.equal(code, 1)
  assert.match(stderr, /ERR_TIDEMARK_NO_PROCESS/)
})

const kthreadd = existsSync('/proc/2/comm') && readFileSync('/proc/2/comm', 'utf8') === 'kthreadd\n'

test('a kernel thread cannot be watched', { skip: !kthreadd && 'no kernel thread is to be seen here' }, async (t) => {
  const { code, stderr } = await tidemark(t, ['watch', '2'])
  assert.equal(code, 1)
  assert.match(stderr, /ERR_TIDEMARK_(KERNEL_THREAD|PERMISSION)/)
})

test('a process of somebody else cannot be watched', { skip: process.getuid?.() !== 0 && 'needs root' }, async (t) => {
  const { code, stderr } = await tidemark(t, ['watch', String(process.pid)], { uid: 65534 })
  assert.equal(code, 1)
  assert.match(stderr, /ERR_TIDEMARK_PERMISSION.*CAP_SYS_PTRACE/)
})
