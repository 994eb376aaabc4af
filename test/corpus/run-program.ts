/** Runs one program of the corpus under `tidemark run`, and judges what tidemark said of it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Verdict } from 'tidemark'
import { isRight, type Judgement, judge, type Truth } from './judge.js'

const MAIN = require.resolve('#dist/cli/main')
const PROGRAMS = join(dirname(MAIN), '../../test/corpus')
const FOLDERS = ['leaks', 'not-leaks'] as const

/** Longer than any program takes: one that hangs is ended. */
const LONGEST_MS = 400e3

export interface Program {
  name: string
  folder: (typeof FOLDERS)[number]
}

/** What came of one run of a program. */
export interface Outcome {
  truth: Truth
  verdict: Verdict
  judgement: Judgement
  /** Kept where the verdict is wrong, for whoever wants to know why. */
  runFolder: string | undefined
}

export function programs(): Program[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(PROGRAMS, folder))
      .filter((name) => name.endsWith('.js'))
      .sort()
      .map((name) => ({ name: basename(name, '.js'), folder })),
  )
}

/** @throws {Error} (rejects) where the program or tidemark did not end well */
export async function runProgram({ name, folder }: Program): Promise<Outcome> {
  const runFolder = mkdtempSync(join(realpathSync(tmpdir()), `tidemark-corpus-${name}-`))
  const script = join(PROGRAMS, folder, `${name}.js`)
  // A group of its own, so that the program ends with the tidemark that runs it.
  const child = spawn(process.execPath, [MAIN, 'run', '--out', runFolder, '--json', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const end = () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL')
  }
  const overdue = setTimeout(end, LONGEST_MS)
  process.once('exit', end)
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  clearTimeout(overdue)
  process.off('exit', end)
  const [said, verdictLine] = stdout.trim().split('\n')
  if (code !== 0 || said === undefined || verdictLine === undefined) {
    throw new Error(`${name} did not end well (${signal ?? code}):\n${stdout}${stderr}`)
  }
  const truth = JSON.parse(said) as Truth
  const verdict = JSON.parse(verdictLine) as Verdict
  const judgement = judge(verdict, truth)
  if (!isRight(judgement)) return { truth, verdict, judgement, runFolder }
  rmSync(runFolder, { recursive: true })
  return { truth, verdict, judgement, runFolder: undefined }
}

/** Runs tasks in order, `atOnce` of them at a time; results come in the order of the tasks. */
export async function inTurns<T, R>(tasks: T[], atOnce: number, run: (task: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = tasks.entries()
  const runSome = async () => {
    for (const [i, task] of queue) results[i] = await run(task)
  }
  await Promise.all(Array.from({ length: atOnce }, runSome))
  return results
}
