import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Frame } from '#dist/profile/columns'
import { foldInternal } from '#dist/profile/fold'
import { inAddon, inLibc, inNode, js, profileOf } from './profiles.js'

function shown(...stack: Frame[]): string[] {
  const columns = profileOf([{ stack }])
  return foldInternal(columns, columns.stackFrames).map((index) => columns.frames[index]!.function)
}

test('of Node and V8 the frame nearest the leaf is shown, and all of the program', () => {
  const stack = [
    inLibc('malloc'),
    inNode('node::Allocate'),
    inNode('Builtins_CallApi'),
    js('allocate', 'node:buffer', 400),
    js('resize', '/app/thumbs.ts', 41),
    inNode('Builtins_AsyncFunction'),
    js('processTicks', 'node:internal/process/task_queues', 60),
    js('main', '/app/server.ts', 3),
    inNode('main'),
  ]
  assert.deepEqual(shown(...stack), ['malloc', 'node::Allocate', 'resize', 'main'])
})

test('libraries and addons are no inner frames of Node', () => {
  assert.deepEqual(shown(inLibc('malloc'), inAddon('decode'), inAddon('Run'), js('load')), [
    'malloc',
    'decode',
    'Run',
    'load',
  ])
})

test('code that V8 made for itself has no mapping and is folded, code of eval is the program', () => {
  const builtin = { ...inNode('ArrayMap'), mapping: -1 }
  assert.deepEqual(shown(inNode('v8::Allocate'), builtin, js('evaluated', '')), ['v8::Allocate', 'evaluated'])
})

test('a stack that is all Node keeps one frame, and an empty one none', () => {
  assert.deepEqual(shown(inNode('uv_run'), inNode('main')), ['uv_run'])
  assert.deepEqual(shown(), [])
})
