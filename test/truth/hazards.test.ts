/** What could bring a process down while it is profiled, or leave it changed. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildAddon, noGlibc, preloads } from '../native-fixtures.js'
import { functions, runProgram, type SizedTrace } from './program.js'

const PRIME = 40_009
const skip = noGlibc

/** Slots that are bound lazily change by themselves. */
const NOW = ['-Wl,-z,now']

test('hooks put in and taken out 1,000 times under eight allocating threads leave every slot as it was', {
  skip,
}, async () => {
  const given = { how: 'toggle', addon: buildAddon('threads', NOW), slots: buildAddon('slots', NOW), times: 1000 }
  interface State {
    slots: string[]
    protections: string[]
  }
  const said = await runProgram<{ before: State; after: State; changed: number; rounds: number }>('hazards', given)
  assert.ok(said.changed > 10, `only ${said.changed} slots were changed while the hooks were in`)
  assert.ok(said.rounds > 10_000, 'the threads did not allocate meanwhile')
  assert.deepEqual(said.after.slots, said.before.slots)
  assert.deepEqual(said.after.protections, said.before.protections)
})

test('processes are started and forked while eight threads are sampled', { skip }, async () => {
  const given = { how: 'spawn', addon: buildAddon('threads'), times: 50 }
  const said = await runProgram<{ well: number; forked: number; traces: number }>('hazards', given)
  assert.deepEqual([said.well, said.forked], [50, 50])
  assert.ok(said.traces > 0)
})

test('workers are terminated while they are sampled', { skip }, async () => {
  const { traces } = await runProgram<{ traces: number }>('hazards', { how: 'terminate', times: 20 })
  assert.ok(traces > 0)
})

test('blocks of an addon that was unloaded with its worker keep their names', { skip }, async () => {
  const given = { how: 'unload', addon: buildAddon('leaky', ['-DUNLOADED']), size: PRIME }
  const said = await runProgram<{ loaded: boolean; traces: SizedTrace[][] }>('hazards', given)
  assert.equal(said.loaded, false, 'the addon was not unloaded, so nothing was tried')
  for (const traces of said.traces) {
    assert.equal(
      traces.reduce((count, trace) => count + trace.live.count, 0),
      20,
    )
    for (const trace of traces) {
      const names = functions(trace)
      assert.equal(names[0], 'retain_native_block')
      assert.ok(names.includes('retainInWorker'), names.join(' < '))
    }
  }
})

test('a live set that is full stands for what it cannot hold', { skip }, async () => {
  const given = { how: 'full', addon: buildAddon('leaky'), size: 10_007, blocks: 20_000, room: 1024 }
  interface Said {
    truth: number
    live: number
    standardError: number
    notes: string[]
  }
  const { truth, live, standardError, notes } = await runProgram<Said>('hazards', given)
  assert.doesNotMatch(notes.join(), /lost/)
  // A quarter of the room, 256 samples, is always used: a relative error of 6.3 %, or a little more.
  assert.ok(standardError / truth < 0.08, `a standard error of ${standardError} for ${truth} bytes`)
  assert.ok(Math.abs(live - truth) < 4 * standardError, `${live} for ${truth} bytes, ± ${standardError}`)
})

test('signals that interrupt the taking of samples change nothing', { skip }, async () => {
  const given = { how: 'signals', addon: buildAddon('threads'), leaky: buildAddon('leaky'), size: PRIME }
  const { came, count } = await runProgram<{ came: number; count: number }>('hazards', given)
  assert.ok(came > 10, `only ${came} signals came`)
  assert.equal(count, 20_000)
})

test('an object whose slots are sealed is left alone and reported', { skip }, async (t) => {
  const slots = buildAddon('slots', NOW)
  const said = await runProgram<{ missing?: string; unpatched: unknown[] }>('hazards', { how: 'sealed', slots })
  if (said.missing) return t.skip(said.missing)
  assert.match(JSON.stringify(said.unpatched), /slots-\w+\.node/)
})

for (const { name, path, missing } of preloads) {
  test(`with ${name} preloaded its malloc and its operator new are seen`, {
    skip: skip || missing,
  }, async () => {
    const given = { how: 'allocator', addon: buildAddon('leaky'), size: PRIME }
    const env = { LD_PRELOAD: path }
    interface Said {
      provider: string
      before: number[]
      after: number[]
    }
    const said = await runProgram<Said>('hazards', given, { env })
    assert.match(said.provider, new RegExp(name))
    assert.deepEqual(said.before, [50, 50, 50])
    // Blocks of operator new that were freed by free: what a hook on either side must see.
    assert.deepEqual(said.after, [50, 0, 0])
  })
}
