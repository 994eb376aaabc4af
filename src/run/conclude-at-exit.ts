/**
 * Concludes a run when the process that was recorded ends and nobody outlives it: in a short-lived process of its own.
 * A report is much code that runs once, hot: in the process itself, in its last moment, it sets off compiler threads, and on
 * Node 20 a process that ends while one of them asks for a garbage collection waits for it for ever. The other process has
 * no such threads.
 */

import { type SpawnSyncOptions, type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { errorCode, TidemarkError } from '../errors.js'
import type { Verdict } from '../growth/verdict.js'

const COMMAND_LINE = join(__dirname, '../cli/main.js')

/** A disk that hangs must not keep the service from ending. */
const LONGEST_MS = 60e3
const MOST_OUTPUT = 16 << 20

export interface Conclusion {
  /** Null where none could be made. */
  verdict: Verdict | null
  /** What went wrong, in sentences. */
  problems: string[]
}

/** Writes verdict.json and report.html into the absolute `folder`. Does not throw. */
export function concludeAtExit(folder: string): Conclusion {
  return concludeInChild(folder) ?? concludeHere(folder)
}

/** Undefined where no other process can be started: by a permission model, a limit, or because Node's binary is gone. */
function concludeInChild(folder: string): Conclusion | undefined {
  // The binary of a single executable application is the service itself.
  if (process.getBuiltinModule('node:sea')?.isSea()) return undefined
  const words = ['--single-threaded', '--no-warnings', COMMAND_LINE, 'report', '--json', '--', folder]
  const options = {
    // The service's own folder may be gone.
    cwd: '/',
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'] as const,
    // In a session of its own: a second Ctrl-C must not lose the report. The types do not know of it.
    detached: true,
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL' as const,
    maxBuffer: MOST_OUTPUT,
  }
  let end: SpawnSyncReturns<string | Buffer>
  try {
    end = spawnSync(process.execPath, words, options as unknown as SpawnSyncOptions)
  } catch {
    return undefined
  }
  // Without a pid there was no process; an error with one says how it ended.
  if (!end.pid) return undefined
  const problems = String(end.stderr).split('\n').filter(Boolean)
  try {
    const verdict = JSON.parse(String(end.stdout)) as Verdict
    return { verdict, problems: problems.map((line) => line.replace(/^tidemark: /, '')) }
  } catch {
    const told = problems.find((line) => line.startsWith('tidemark report: '))
    return { verdict: null, problems: [told?.slice('tidemark report: '.length) ?? failure(folder, end)] }
  }
}

function failure(folder: string, { error, signal, status }: SpawnSyncReturns<string | Buffer>): string {
  const how = error ? errorCode(error) : (signal ?? `exit code ${status}`)
  return `ERR_TIDEMARK_RUN_FOLDER: the report was not finished (${how}): tidemark report ${folder} makes it`
}

/** Without what would load the service's own modules, or tidemark's recorder, into the other process. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:NODE|TIDEMARK)_/.test(name)))
}

function concludeHere(folder: string): Conclusion {
  // Loaded only now: it is hardly ever needed.
  const { conclude } = require('./conclude.js') as typeof import('./conclude.js')
  try {
    const { run, problem } = conclude(folder)
    return { verdict: run.verdict, problems: problem ? [said(problem)] : [] }
  } catch (error) {
    return { verdict: null, problems: [said(error)] }
  }
}

function said(error: unknown): string {
  if (error instanceof TidemarkError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
