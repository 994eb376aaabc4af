/** Hooks at the edges: of sessions, of threads, of what the process may do, and of what malloc is asked for. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { test } from 'node:test'
import { buildAddon, noGlibc } from '../native-fixtures.js'
import { runProgram } from '../truth/program.js'

const skip = noGlibc
const PRIME = 10_007

const NOW = ['-Wl,-z,now']
const addon = () => buildAddon('churn', NOW)
const library = () => buildAddon('slots', NOW)

test('sessions start and stop while another thread loads and unloads a library', { skip }, async () => {
  const given = { how: 'churn', addon: addon(), library: library(), times: 1500 }
  const { loads } = await runProgram<{ loads: number }>('hooks', given)
  assert.ok(loads > 1000, `the library was loaded ${loads} times only`)
})

test('a process that is sampled ends well although libraries are loaded until the very end', { skip }, () => {
  const program = require.resolve('../../../test/fixtures/truth/hooks.js')
  const given = { how: 'exit', addon: addon(), library: library() }
  const { status, signal, stderr } = spawnSync(process.execPath, [program, JSON.stringify(given)], { encoding: 'utf8' })
  assert.deepEqual([status, signal], [0, null], stderr)
})

test('a session that starts while the one of a terminated worker ends is whole, and so is the end of both', async () => {
  const said = await runProgram<{ turns: number; running: boolean; slots: number }>('hooks', {
    how: 'takeTurns',
    times: 20,
  })
  assert.ok(said.turns > 0)
  assert.deepEqual([said.running, said.slots], [false, 0])
})

test('workers are terminated while they take snapshots', async () => {
  const said = await runProgram<{ running: boolean; slots: number }>('hooks', { how: 'terminateReaders', times: 30 })
  assert.deepEqual([said.running, said.slots], [false, 0])
})

test('without memory or threads to be had a session says so, and leaves nothing behind', { skip }, async () => {
  const given = { how: 'refuse', addon: addon(), slots: library() }
  const said = await runProgram<{ errnos: number[]; left: number; running: boolean }>('hooks', given)
  const { ENOMEM, EAGAIN } = constants.errno
  assert.ok(said.errnos.includes(ENOMEM), 'memory was never refused')
  assert.equal(said.errnos.at(-1), 0)
  assert.deepEqual(
    said.errnos.filter((errno) => ![0, ENOMEM, EAGAIN].includes(errno)),
    [],
  )
  assert.equal(said.left, 0, `slots were left changed ${said.left} times`)
  assert.equal(said.running, false)
})

test('without files to be had no session starts, and one that runs still takes its hooks out', { skip }, async () => {
  const said = await runProgram<{ refused: number; restored: boolean[] }>('hooks', { how: 'files', slots: library() })
  assert.equal(said.refused, constants.errno.EMFILE)
  assert.deepEqual(said.restored, [true, true, true])
})

test('what is asked of malloc and its kin seldom is answered as it is without hooks', { skip }, async () => {
  const said = await runProgram<object>('hooks', { how: 'oddities', addon: addon() })
  assert.deepEqual(said, { before: 1, hooked: 1, sampled: 1 })
})

test('of an allocator that brings some of the operators only, each block is counted once', { skip }, async () => {
  const env = { LD_PRELOAD: buildAddon('half_allocator') }
  const given = { how: 'newArrays', addon: addon(), size: PRIME }
  const said = await runProgram<object>('hooks', given, { env })
  assert.deepEqual(said, { operators: true, count: 50 })
})

test('a long name is given as it is, and nothing behind it', { skip }, async () => {
  const said = await runProgram<{ names: string[] }>('hooks', { how: 'longName', length: 3000, size: PRIME })
  assert.deepEqual(said.names, ['f'.repeat(3000)])
})

test('an interval holds at once for the thread that asks for it, whatever was in force before', async () => {
  const said = await runProgram<{ fine: number; again: number }>('hooks', { how: 'intervals', size: PRIME })
  // Each block is a sample with p = 0.913: of 1,000, fewer than 800 in no run of a lifetime.
  assert.ok(said.fine > 800, `${said.fine} samples`)
  assert.ok(said.again > 1600, `${said.again} samples`)
})
