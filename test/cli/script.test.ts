import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findTarget } from '#dist/cli/script'
import { inForeground } from '#dist/cli/signals'
import { forgetPreload } from '#dist/run/recorder'
import { temporaryFolder, write } from './tidemark.js'

test('a script runs under the Node that runs tidemark', (t) => {
  const script = write(temporaryFolder(t), 'app.js', '')
  assert.deepEqual(findTarget([script, '-r', 'x']), { node: process.execPath, words: [script, '-r', 'x'], script })
})

test('the script of a node command is found behind the flags of node and their values', (t) => {
  const script = write(temporaryFolder(t), 'app.js', '')
  for (const flags of [
    [],
    ['--expose-gc'],
    ['-r', 'nope.js'],
    ['--import', 'nope.js', '--env-file=nope.env'],
    ['--max-old-space-size=100', '--conditions', 'development', '--'],
    ['--flag-of-a-later-node', script],
  ]) {
    const target = findTarget([process.execPath, ...flags, script, 'argument'])
    assert.deepEqual(target, { node: process.execPath, words: [...flags, script, 'argument'], script })
  }
})

test('a node command without a script runs what it says instead', () => {
  assert.equal(findTarget([process.execPath, '-e', 'x()']).script, 'e')
  assert.equal(findTarget([process.execPath, '--test']).script, 'test')
  assert.equal(findTarget([process.execPath]).script, 'stdin')
})

test('a script or a Node that is not there is refused', () => {
  for (const words of [['nope.js'], ['/nowhere/node', 'a.js'], [process.execPath, 'nope.js']]) {
    assert.throws(() => findTarget(words), { code: 'ERR_TIDEMARK_SCRIPT_NOT_FOUND' })
  }
})

test('a process hears Ctrl-C from the terminal when its group is in the foreground', () => {
  assert.ok(inForeground('42 (node) S 1 42 10 34816 42 4194304 1 2'))
  assert.ok(inForeground('42 (a ) b (c) S 1 42 10 34816 42 4194304 1 2'))
  assert.ok(!inForeground('42 (node) S 1 42 10 34816 10 4194304 1 2'), 'in the background')
  assert.ok(!inForeground('42 (node) S 1 42 42 0 -1 4194304 1 2'), 'without a terminal')
})

test('the preload of tidemark leaves execArgv, and nothing else does', () => {
  const register = require.resolve('#dist/register')
  for (const [before, after] of [
    [['--require', register, '--expose-gc'], ['--expose-gc']],
    [
      ['-r', 'other', '-r', 'tidemark/register'],
      ['-r', 'other'],
    ],
    [
      ['--import=tidemark/register', '--import', './setup.js'],
      ['--import', './setup.js'],
    ],
    [[`--import=${register.replace('.js', '.mjs')}`], []],
    [
      ['--conditions', 'tidemark/register', '--require=./register.js'],
      ['--conditions', 'tidemark/register', '--require=./register.js'],
    ],
  ] as const) {
    const execArgv = [...before]
    forgetPreload(execArgv)
    assert.deepEqual(execArgv, after)
  }
})
