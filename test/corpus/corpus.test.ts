/** A few quick programs of the corpus, so that each change of tidemark meets them. `npm run corpus` runs all. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTurns, isMainNode, programs, runProgram } from './run-program.js'

const QUICK = ['uploads', 'cache-fills', 'addon-malloc-no-frame-pointers', 'slices']

test('the corpus has programs that leak, over all owners, and programs that do not', () => {
  const count = (folder: string) => programs().filter((program) => program.folder === folder).length
  assert.ok(count('leaks') >= 17)
  assert.ok(count('not-leaks') >= 15)
})

test('verdicts on programs of known truth are right', { skip: !isMainNode && 'runs on one Node only' }, async () => {
  const chosen = programs().filter(({ name }) => QUICK.includes(name))
  assert.equal(chosen.length, QUICK.length)
  const outcomes = await inTurns(chosen, 2, async (program) => [program.name, (await runProgram(program)).judgement])
  const right = { kind: [], owner: [], site: [], rate: [] }
  assert.deepEqual(
    outcomes,
    chosen.map(({ name }) => [name, right]),
  )
})
