/**
 * `npm run corpus [-- NAME… --runs N]`: runs the programs of the corpus, three at a time, and prints what tidemark said of
 * each against its truth. Ends with 1 where any verdict is wrong.
 */

import { parseArgs } from 'node:util'
import { inTurns, type Outcome, type Program, programs, runProgram } from './run-program.js'
import { isRightRun, type Row, table, totals } from './table.js'

/** They sleep most of the time; more on two CPUs would take them from each other, and their truths with it. */
const AT_ONCE = 3

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { runs: { type: 'string', default: '1' }, help: { type: 'boolean' } },
    allowPositionals: true,
    strict: false,
  })
  const { help, ...rest } = values
  const runs = Number(rest.runs)
  const all = programs()
  const unknown =
    positionals.some((name) => all.every((program) => program.name !== name)) || Object.keys(rest).length > 1
  if (help || unknown || !(Number.isInteger(runs) && runs > 0)) {
    console.error(`npm run corpus [-- NAME… --runs N], NAME being of: ${all.map(({ name }) => name).join(', ')}`)
    return help ? 0 : 2
  }
  const chosen = all.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const tasks = Array.from({ length: runs }, () => chosen).flat()
  const began = performance.now()
  let ended = 0
  const results = await inTurns(tasks, AT_ONCE, async (program) => {
    const run = await outcome(program)
    const minutes = ((performance.now() - began) / 60e3).toFixed(1)
    console.error(`${++ended} of ${tasks.length}, ${minutes} min: ${program.name} ${words(run)}`)
    return { name: program.name, run }
  })
  const rows: Row[] = chosen.map(({ name }) => ({
    name,
    runs: results.filter((result) => result.name === name).map(({ run }) => run),
  }))
  console.log(`${table(rows)}\n\n${totals(rows)}`)
  return rows.every((row) => row.runs.every(isRightRun)) ? 0 : 1
}

async function outcome(program: Program): Promise<Outcome | { problem: string }> {
  try {
    return await runProgram(program)
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

function words(run: Outcome | { problem: string }): string {
  if ('problem' in run) return run.problem
  return run.runFolder === undefined ? 'right' : `wrong: see ${run.runFolder}`
}

main().then((code) => {
  process.exitCode = code
})
