/** What goes wrong when another process is read: each has a code and says what to do. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Mapping, mappings, processStatus, type TidemarkErrorCode } from 'tidemark'
import { procError } from '#dist/readings/proc-error'
import { takeReading } from '#dist/readings/take-reading'
import { DIST, runNode, start } from './processes.js'

/** Every way to read process `pid` fails with this code. */
async function rejects(pid: number, code: TidemarkErrorCode, message: RegExp): Promise<void> {
  const error = { name: 'TidemarkError', code, message }
  await assert.rejects(mappings({ pid }), error)
  await assert.rejects(mappings({ pid, anonymousOnly: true }), error)
  await assert.rejects(takeReading({ pid }), error)
  const status = await processStatus(pid)
  assert.equal(status.readable, false)
  assert.equal(status.problem?.code, code)
}

test('a pid that is none is refused', async () => {
  for (const pid of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 'x', '1', null, {}]) {
    const error = { code: 'ERR_TIDEMARK_ARGUMENT', message: /pid must be a positive integer, not/ }
    await assert.rejects(mappings({ pid: pid as number }), error, String(pid))
    await assert.rejects(takeReading({ pid: pid as number }), error, String(pid))
    await assert.rejects(processStatus(pid as number), error, String(pid))
  }
})

test('a process that has gone', async (t) => {
  const { child, pid } = await start(t, 'sh', ['-c', 'echo ready; read line'])
  child.kill('SIGKILL')
  await once(child, 'exit')
  await rejects(pid, 'ERR_TIDEMARK_NO_PROCESS', new RegExp(`no process ${pid}.*hidepid.*run as`))
})

test('a process that has ended and whose parent has not asked for it', async (t) => {
  // The shell becomes a program that never waits for the child it has inherited, and which ends only then.
  const { line } = await start(t, 'sh', [
    '-c',
    'until grep -q sleep /proc/$$/comm; do :; done & echo $!; exec sleep 600',
  ])
  const pid = Number(line)
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')))
    await new Promise((resolve) => setImmediate(resolve))
  await rejects(pid, 'ERR_TIDEMARK_KERNEL_THREAD', /no user memory.*waits for its parent/)
})

test('a kernel thread', async (t) => {
  let statm = ''
  try {
    statm = readFileSync('/proc/2/statm', 'latin1')
  } catch {}
  if (!statm.startsWith('0 0 0 ')) return t.skip('process 2 is no kernel thread here')
  await rejects(2, 'ERR_TIDEMARK_KERNEL_THREAD', /process 2 has no user memory: it is a kernel thread/)
})

test('a process of another user', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root to become someone else')
  const script = `const { mappings } = require(${JSON.stringify(DIST)})
    mappings({ pid: ${process.pid} }).then(
      () => console.log('{}'), ({ code, message }) => console.log(JSON.stringify({ code, message })))`
  const result = await runNode(script, { uid: 65534, gid: 65534, cwd: '/' })
  const { code, message } = result as { code: string; message: string }
  assert.equal(code, 'ERR_TIDEMARK_PERMISSION')
  assert.match(
    message,
    new RegExp(`/proc/${process.pid}/smaps \\(EACCES\\): run as the user that owns process ${process.pid}`),
  )
})

test('text that is not as documented says where and asks for a report', () => {
  const error = procError({ errno: 74, what: '/proc/7/smaps', line: 12 }, 7)
  assert.equal(error.code, 'ERR_TIDEMARK_PROC_FORMAT')
  assert.match(error.message, /\/proc\/7\/smaps .*line 12.*report/)
})

test('every other failure names the file, the cause and the process', () => {
  assert.match(
    procError({ errno: 12, what: '/proc/7/maps', line: 0 }, 7).message,
    /cannot read \/proc\/7\/maps \(ENOMEM\) of process 7/,
  )
  assert.match(procError({ errno: 2, what: '/proc/self/statm', line: 0 }, 0).message, /is \/proc mounted\?/)
  assert.match(procError({ errno: 9999, what: '/proc/7/maps', line: 0 }, 7).message, /9999/)
  const cause = new Error('odd')
  assert.equal(procError(cause, 7).code, 'ERR_TIDEMARK_PROC_READ')
  assert.equal(procError(cause, 7).cause, cause)
})

test('a process of one’s own can be read, by its pid like any other', async () => {
  assert.ok((await mappings({ pid: process.pid })).length > 50)
  const rows: Mapping[] = (await mappings({ pid: process.ppid })).rows()
  assert.ok(rows.length > 0)
  assert.deepEqual((await processStatus(process.pid)).problem, null)
})
