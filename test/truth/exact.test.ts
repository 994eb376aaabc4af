/** With every allocation sampled the numbers of a profile are exact: sizes are primes, so that nothing else has them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildAddon, compilers, noGlibc } from '../native-fixtures.js'
import { runProgram, type SizedTrace, sum } from './program.js'

interface Said {
  traces: SizedTrace[]
}

const PRIME = 10_007

test('blocks that were freed are allocated and not live', { skip: noGlibc }, async () => {
  const { traces } = await runProgram<Said>('addon', { addon: buildAddon('leaky'), how: 'released', size: PRIME })
  assert.equal(sum(traces, 'allocated', PRIME), 27)
  assert.equal(sum(traces, 'live', PRIME), 7)
  for (const { size, live } of traces) assert.equal(live.bytes, live.count * size)
})

test('every function of the family is seen, once, with the size that was asked for', { skip: noGlibc }, async () => {
  const addon = buildAddon('slots')
  const kept = await runProgram<Said>('addon', { addon, how: 'family', size: PRIME })
  const freed = await runProgram<Said>('addon', { addon, how: 'familyFreed', size: PRIME })
  for (let k = 0; k < 9; k++) {
    assert.equal(sum(kept.traces, 'live', PRIME + k), 1, `the live block of size + ${k}`)
    assert.equal(sum(freed.traces, 'allocated', PRIME + k), 1, `the freed block of size + ${k}`)
    assert.equal(sum(freed.traces, 'live', PRIME + k), 0, `the freed block of size + ${k}`)
  }
})

for (const compiler of compilers) {
  for (const flags of [
    ['-DCALL_SLOTS', '-Wl,-z,lazy'],
    ['-DCALL_SLOTS', '-Wl,-z,now'],
    ['-fno-plt', '-Wl,-z,now'],
  ]) {
    for (const loadFirst of [true, false]) {
      const when = loadFirst ? 'before' : 'after'
      test(`${compiler} ${flags.join(' ')}, loaded ${when} the hooks: no call escapes, however it is made`, {
        skip: noGlibc,
      }, async () => {
        const given = { addon: buildAddon('slots', flags, compiler), how: 'slots', size: PRIME, loadFirst }
        const { traces } = await runProgram<Said>('addon', given)
        // By name, through a table in data, through a pointer.
        assert.deepEqual(
          [0, 2, 4].map((k) => sum(traces, 'allocated', PRIME + k)),
          [100, 100, 100],
        )
        assert.deepEqual(
          [0, 2, 4].map((k) => sum(traces, 'live', PRIME + k)),
          [0, 0, 0],
        )
      })
    }
  }
}

test('an addon loaded with RTLD_DEEPBIND is seen like any other', { skip: noGlibc }, async () => {
  for (const loadFirst of [true, false]) {
    const given = { addon: buildAddon('slots'), how: 'slots', size: PRIME, loadFirst, dlopenFlags: 'RTLD_DEEPBIND' }
    const { traces } = await runProgram<Said>('addon', given)
    assert.deepEqual(
      [0, 2, 4].map((k) => sum(traces, 'allocated', PRIME + k)),
      [100, 100, 100],
    )
  }
})

test('what an addon maps for itself is not counted as allocated', { skip: noGlibc }, async () => {
  const { traces } = await runProgram<Said>('addon', { addon: buildAddon('slots'), how: 'mapOwn', size: 1_000_003 })
  assert.deepEqual(traces, [])
})

test('a block that realloc could not make larger is live until it is freed', { skip: noGlibc }, async () => {
  const addon = buildAddon('slots')
  const failed = await runProgram<Said>('addon', { addon, how: 'failToGrow', size: PRIME })
  assert.equal(sum(failed.traces, 'live', PRIME), 1)
  const freed = await runProgram<Said>('addon', { addon, how: 'failToGrowFreed', size: PRIME })
  assert.equal(sum(freed.traces, 'live', PRIME), 0)
})

test('a block freed where no hook sees it is counted until its address is used again', { skip: noGlibc }, async () => {
  const { traces } = await runProgram<Said>('addon', { addon: buildAddon('slots'), how: 'freeUnhooked', size: PRIME })
  assert.equal(sum(traces, 'allocated', PRIME), 1000)
  // malloc hands out the same few addresses again and again; each holds one block at most.
  assert.ok(sum(traces, 'live', PRIME) <= 10, `${sum(traces, 'live', PRIME)} blocks are said to live`)
})
