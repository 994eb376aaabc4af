/** How much of what a process allocates goes through the hooks, against a count of every call. */

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { buildAddon, buildWithoutTailCalls, noGlibc } from '../native-fixtures.js'
import { runProgram } from './program.js'

interface Counted {
  allocations: { seen: number; escaped: number }
  frees: { seen: number; escaped: number }
  /** Blocks that a hook saw coming and none saw going: they would be reported as live for ever. */
  ghosts: number
  forgotten: number
  callers: { calls: number; object: string; near: string }[]
}

const WORKLOADS = ['http', 'json', 'compress-and-encrypt', 'buffers', 'workers', 'sharp', 'sqlite', 'dns']

/** Least share of the calls that must be seen. What is loaded while counting runs its constructors before it is patched. */
const LEAST = (workload: string) => (workload === 'sharp' ? 0.998 : 0.999)

let env: NodeJS.ProcessEnv

before(async () => {
  if (!noGlibc) env = { LD_PRELOAD: buildAddon('ground_truth'), TIDEMARK_PREBUILD: await buildWithoutTailCalls() }
})

for (const workload of WORKLOADS) {
  test(`the hooks see what ${workload} allocates and frees`, { skip: noGlibc }, async (t) => {
    const counted = await runProgram<Counted & { missing?: string }>('coverage', { workload }, { env })
    if (counted.missing) return t.skip(counted.missing)
    const { allocations, frees, ghosts, forgotten } = counted
    const seen = allocations.seen + frees.seen
    const escaped = allocations.escaped + frees.escaped
    const share = seen / (seen + escaped)
    const detail = JSON.stringify(counted, null, 1)
    assert.ok(seen + escaped > 2000, `the workload allocates next to nothing: ${detail}`)
    assert.ok(share >= LEAST(workload), `${(share * 100).toFixed(3)} % of the calls were seen: ${detail}`)
    assert.equal(ghosts, 0, detail)
    assert.equal(forgotten, 0, 'the table of blocks of the ground truth is too small')
    t.diagnostic(`${(share * 100).toFixed(4)} % of ${seen + escaped} calls`)
  })
}
