/** Stacks of addons: their own functions, and the JavaScript above them. */

import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { buildAddon, type Compiler, compilers, noGlibc } from '../native-fixtures.js'
import { functions, runProgram, type SizedTrace } from './program.js'

interface Said {
  traces: SizedTrace[]
  unwound?: string
}

const PRIME = 20_011

const FRAME_POINTERS: Record<string, string[]> = {
  'without frame pointers': ['-fomit-frame-pointer', '-DCLOBBER_FRAME_POINTER'],
  'with frame pointers': ['-fno-omit-frame-pointer'],
}

function run(how: string, addon: string, flags: string[] = []): Promise<Said> {
  return runProgram<Said>('addon', { addon, how, size: PRIME }, { flags })
}

/** The positions of `wanted` in the stack, which must have each, in this order. */
function assertOrder(trace: SizedTrace, wanted: string[]): void {
  const names = functions(trace)
  let at = -1
  for (const name of wanted) {
    const next = names.indexOf(name, at + 1)
    assert.notEqual(
      next,
      -1,
      `no ${name} after ${wanted[wanted.indexOf(name) - 1] ?? 'the leaf'}: ${names.join(' < ')}`,
    )
    at = next
  }
}

/** A profile has the address of the call where a backtrace has the one to which it returns. */
function callBefore(place: string): string {
  const [object, address] = place.split(':') as [string, string]
  return `${object}:${(Number.parseInt(address, 16) - 1).toString(16)}`
}

function onEach(what: string, check: (compiler: Compiler, flags: string[]) => Promise<void>): void {
  for (const compiler of compilers) {
    for (const [name, flags] of Object.entries(FRAME_POINTERS)) {
      test(`${compiler}, ${name}: ${what}`, { skip: noGlibc }, () => check(compiler, flags))
    }
  }
}

onEach('a leak shows one stack from the native function to the line of JavaScript', async (compiler, flags) => {
  const { traces } = await run('leak', buildAddon('leaky', flags, compiler))
  assert.equal(
    traces.reduce((count, trace) => count + trace.live.count, 0),
    50,
  )
  for (const trace of traces) {
    assert.equal(functions(trace)[0], 'retain_native_block')
    assert.equal(trace.partial, 0)
    assertOrder(trace, ['retain_native_block', 'retain', 'handleRequest'])
    const caller = trace.stack.find((frame) => frame.function === 'handleRequest')!
    assert.equal(basename(caller.file), 'addon.js')
    assert.ok(caller.line > 0)
  }
})

onEach('JavaScript that an addon calls back is in the stack with what called the addon', async (compiler, flags) => {
  const { traces } = await run('chain', buildAddon('leaky', flags, compiler))
  assert.ok(traces.length > 0)
  for (const trace of traces) {
    assertOrder(trace, [
      'retain_native_block',
      'retain',
      'innerJavaScript',
      'call_javascript_back',
      'call_back',
      'outerJavaScript',
    ])
  }
})

onEach('the frames on a native thread are those that _Unwind_Backtrace finds', async (compiler, flags) => {
  const { traces, unwound } = await run('unwound', buildAddon('threads', flags.slice(0, 1), compiler))
  const lines = unwound!.trim().split('\n')
  assert.equal(lines.length, 6)
  for (const line of lines) {
    const [size, ...returns] = line.split(' ')
    const expected = returns.map(callBefore)
    const trace = traces.find((candidate) => candidate.size === Number(size))
    assert.ok(trace, `no block of ${size} bytes was sampled`)
    assert.equal(trace.thread, 'addon-thread')
    const found = trace.stack.map((frame) => `${basename(frame.object)}:${frame.address.toString(16)}`)
    // The leaf is the same function, at another call in it.
    assert.equal(found[0]!.split(':')[0], expected[0]!.split(':')[0])
    assert.deepEqual(
      found.slice(1),
      expected.slice(1),
      `of the block of ${size} bytes, ${functions(trace).join(' < ')}`,
    )
  }
})

test('a block of a pool thread has the stack and the name of that thread', { skip: noGlibc }, async () => {
  const { traces } = await run('pool', buildAddon('leaky'))
  assert.ok(traces.length > 0)
  for (const trace of traces) {
    assertOrder(trace, ['retain_native_block', 'retain_on_pool_thread'])
    assert.ok(!trace.stack.some((frame) => frame.kind === 'js'))
    assert.notEqual(trace.thread, 'main')
  }
})

test('a finalizer that runs after a collection has its own stack', { skip: noGlibc }, async () => {
  const { traces } = await run('finalizer', buildAddon('leaky'), ['--expose-gc'])
  assert.ok(traces.length > 0)
  for (const trace of traces) assertOrder(trace, ['retain_native_block', 'retain_in_finalizer'])
})

test('memory that sharp retains has one stack from its own functions to the line that called it', {
  skip: noGlibc,
}, async (t) => {
  const { traces, missing } = await runProgram<Said & { missing?: string }>('sharp', {})
  if (missing) return t.skip(missing)
  const called = traces.filter((trace) => functions(trace).includes('queueResize'))
  assert.ok(called.length > 0, 'no stack of sharp reaches the function that called it')
  for (const { stack } of called) {
    const addon = stack.findIndex(({ object }) => /sharp-linux\S*\.node$/.test(object))
    const caller = stack.findIndex((frame) => frame.function === 'queueResize')
    assert.ok(addon < caller)
    assert.equal(basename(stack[caller]!.file), 'sharp.js')
  }
})
