/** At an interval that a service would use, what the hooks let a profile estimate, against what was really allocated. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildAddon, noGlibc } from '../native-fixtures.js'
import { runProgram } from './program.js'

interface Run {
  truth: number
  estimate: number
  standardError: number
}

for (const [what, thenBytes] of [
  ['at 512 KiB', 0],
  ['at 512 KiB and, half-way, 64 KiB', 65_536],
] as const) {
  test(`bytes allocated are estimated without bias, and as well as is said, ${what}`, { skip: noGlibc }, async (t) => {
    const given = { addon: buildAddon('threads'), runs: 120, bytes: 2 ** 28, intervalBytes: 2 ** 19, thenBytes }
    const runs = await runProgram<Run[]>('mixes', given)
    // A run's relative error is at most sqrt(interval / bytes) = 4.4 %, so the mean of 120 has 0.4 %, and 2 % is more
    // than 4 sigma.
    const bias = runs.reduce((total, { truth, estimate }) => total + estimate / truth - 1, 0) / runs.length
    assert.ok(Math.abs(bias) < 0.02, `biased by ${(bias * 100).toFixed(2)} %`)
    // With a true coverage of 93 % (the mix with few large blocks has no normal distribution), 4 sigma of 120 runs
    // reach down to 84 %.
    const within = runs.filter((run) => Math.abs(run.estimate - run.truth) <= 1.96 * run.standardError).length
    assert.ok(within / runs.length > 0.84, `${within} of ${runs.length} intervals hold the truth`)
    t.diagnostic(`bias ${(bias * 100).toFixed(2)} %, ${within} of ${runs.length} intervals hold the truth`)
  })
}
