/** trim() in processes of their own, under each allocator: what it gives back is measured on a heap that is known. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status, type Trim, type TrimPrediction } from 'tidemark'
import { isMainNode, onOtherNode } from '../main-node.js'
import { buildAddon, noGlibc, preloads } from '../native-fixtures.js'
import { runProgram } from '../truth/program.js'

const MiB = 2 ** 20
/** 286 MiB, of which every 50th block stays, so that free() by itself gives back nothing. */
const BURST = { blocks: 30_000, size: 10_000, keepEvery: 50 }
/** The kernel's counters are off by a batch of pages a CPU, and Node allocates meanwhile. */
const NOISE = 6 * MiB

const glibc = { name: 'glibc', path: undefined, missing: noGlibc }
/** The others' calls do not depend on Node. */
const allocators = (isMainNode ? [glibc, ...preloads] : [glibc]).map((allocator) => ({
  ...allocator,
  env: allocator.path === undefined ? {} : { LD_PRELOAD: allocator.path },
}))

interface Burst {
  malloc: string
  held: number
  moved: number
  went: number
  predicted: TrimPrediction
  trimmed: Trim
  turns: number
  live: number | null
}

for (const { name, env, missing } of allocators) {
  test(`under ${name} trim() gives back most of a burst, and says how much`, { skip: missing }, async () => {
    // A block that stays keeps the whole of mimalloc's page.
    const keepEvery = name === 'mimalloc' ? 0 : BURST.keepEvery
    const given = { how: 'burst', addon: buildAddon('burst'), ...BURST, keepEvery }
    const said = await runProgram<Burst>('trim', given, { env })
    assert.match(said.malloc, new RegExp(`^${name}, asked by \\w+`))
    assert.equal(said.predicted.allocator, name)

    const { returned, rss, ms } = said.trimmed
    assert.ok(said.held > 250 * MiB, `only ${said.held} bytes were held before`)
    assert.ok(Math.abs(said.moved) < NOISE, `a dry run moved ${said.moved} bytes`)
    assert.ok(returned > 0.75 * said.held, `${returned} of ${said.held} bytes were given back`)
    // mimalloc gives some back by itself a little later.
    assert.ok(returned < said.went + NOISE, `${returned} said, ${said.went} bytes went`)
    assert.ok(Math.abs(rss.before - rss.after - returned) < NOISE)
    assert.ok(ms > 0)
    assert.ok(said.turns > 0, 'the JS thread did not turn meanwhile')
  })

  test(`under ${name} two at once do not count the same memory twice`, { skip: missing }, async () => {
    const keepEvery = name === 'mimalloc' ? 0 : BURST.keepEvery
    const given = { how: 'twice', addon: buildAddon('burst'), ...BURST, keepEvery }
    const { returned, went } = await runProgram<{ returned: number[]; went: number }>('trim', given, { env })
    const sum = returned[0]! + returned[1]!
    assert.ok(went > 200 * MiB)
    const text = `${returned.join(' and ')} said, ${went} bytes went`
    assert.ok(sum < went + NOISE && sum > 0.75 * went, text)
  })

  test(`under ${name} no malloc of the JS thread waits longer than the call takes`, { skip: missing }, async (t) => {
    const keepEvery = name === 'mimalloc' ? 0 : BURST.keepEvery
    const given = { how: 'stall', addon: buildAddon('burst'), ...BURST, keepEvery }
    const said = await runProgram<{ longest: number; returned: number; ms: number }>('trim', given, { env })
    const mib = said.returned / MiB
    const figures = `${mib.toFixed(0)} MiB in ${said.ms.toFixed(1)} ms, longest malloc ${said.longest.toFixed(1)} ms`
    t.diagnostic(figures)
    // A busy machine may take the CPU away for some tens of ms.
    assert.ok(said.longest < said.ms + 100, figures)
  })

  test(`under ${name} threads that allocate and are sampled live through trim()`, { skip: missing }, async () => {
    const given = { how: 'profiled', addon: buildAddon('threads'), times: 20 }
    const { rounds, traces } = await runProgram<{ rounds: number; traces: number }>('trim', given, { env })
    assert.ok(rounds > 10_000, 'the threads did not allocate meanwhile')
    assert.ok(traces > 0)
  })

  test(`under ${name} workers that trim can be terminated`, { skip: missing }, async () => {
    const { ms } = await runProgram<{ ms: number }>('trim', { how: 'terminate', times: 8 }, { env })
    assert.ok(ms >= 0)
  })
}

for (const { name, env, missing } of allocators.filter(({ name }) => name !== 'mimalloc')) {
  test(`what ${name} counts as live is what lives, and it knows what it can give back`, { skip: missing }, async () => {
    const given = { how: 'burst', addon: buildAddon('burst'), ...BURST }
    const { predicted, trimmed, live } = await runProgram<Burst>('trim', given, { env })
    const { returned } = trimmed
    assert.ok(
      Math.abs(predicted.bytes - returned) < Math.max(2 * MiB, 0.1 * returned),
      `${predicted.bytes}: ${returned}`,
    )
    assert.ok(predicted.stallMs.low <= predicted.stallMs.high)
    // 600 blocks of the burst, which are rounded up to 10 KiB, and Node's own.
    assert.ok(live! > 600 * BURST.size && live! < 40 * MiB, `${live} bytes live`)
  })
}

test('mimalloc does not say how much lives or can be given back, and nor do we', {
  skip: onOtherNode || preloads.find(({ name }) => name === 'mimalloc')!.missing,
}, async () => {
  const { env } = allocators.find(({ name }) => name === 'mimalloc')!
  const given = { how: 'burst', addon: buildAddon('burst'), ...BURST }
  const { predicted, live, malloc } = await runProgram<Burst>('trim', given, { env })
  // JSON makes NaN null.
  assert.deepEqual([predicted.bytes, live], [null, null])
  assert.match(malloc, /confidence in its live bytes: none, because mimalloc/)
})

test('an allocator that is not known is not taken for glibc, and trim() says why it cannot', {
  skip: noGlibc,
}, async () => {
  const env = { LD_PRELOAD: buildAddon('own_malloc') }
  const said = await runProgram<{ allocator: string; code: string; message: string }>(
    'trim',
    { how: 'refused' },
    { env },
  )
  assert.equal(said.allocator, 'unknown')
  assert.equal(said.code, 'ERR_TIDEMARK_UNSUPPORTED')
  assert.match(said.message, /^freed memory cannot be given back on request here: malloc is provided by an allocator/)
})

test('a jemalloc that an addon brings along is not the process’s', { skip: noGlibc }, async () => {
  const addon = buildAddon('burst', ['-DBRINGS_MALLCTL'])
  const { seen, allocator } = await runProgram<{ seen: boolean; allocator: string }>('trim', { how: 'beside', addon })
  assert.equal(seen, true, 'its mallctl cannot be seen, so nothing was tried')
  assert.equal(allocator, 'glibc')
})

test('status() says whose malloc it is, how it is asked, and what the answer is worth', { skip: noGlibc }, () => {
  assert.match(
    status().readings.malloc,
    /^glibc, asked by a walk over its chunks; confidence in its live bytes: high, because \w+/,
  )
})
