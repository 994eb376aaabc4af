/** Processes to read, gone after the test. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'

/** dist/, and above it the package. */
export const DIST = dirname(dirname(require.resolve('#dist/cli/main')))
export const ROOT = join(DIST, '..')

export interface Subject {
  pid: number
  child: ChildProcess
  /** The first line that it printed: it is ready then. */
  line: string
}

/** Starts a process and waits for its first line, or fails where it ends without one; it is killed after the test. */
export async function start(
  t: TestContext,
  command: string,
  args: string[],
  options: SpawnOptions = {},
): Promise<Subject> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface(child.stdout!)
  const ended = once(lines, 'close').then(() => Promise.reject(new Error(`${command} ended without a line`)))
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  lines.close()
  return { pid: child.pid!, child, line }
}

/** A Node process that runs `script`, which says when it is ready with `ready()`, and then only waits. */
export function startNode(t: TestContext, script: string, options?: SpawnOptions): Promise<Subject> {
  const code = `const ready = () => console.log('ready'); process.stdin.resume(); ${script}`
  return start(t, process.execPath, ['--eval', code], options)
}

/** Stops a process, so that nothing moves between two readings of it. It is killed all the same after the test. */
export async function freeze(subject: Subject): Promise<void> {
  process.kill(subject.pid, 'SIGSTOP')
  await stopped(subject)
}

/** Waits until every thread of a process has stopped. Fails where it ends instead. */
export async function stopped({ pid }: Subject): Promise<void> {
  for (;;) {
    const states = threadStates(pid)
    if (states.every((state) => /[Tt]/.test(state))) return
    if (states.every((state) => /[ZX]/.test(state))) throw new Error(`process ${pid} ended, and was to stop`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function threadStates(pid: number): string[] {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder).map((tid) => {
    try {
      return /\) (.)/.exec(readFileSync(`${folder}/${tid}/stat`, 'latin1'))![1]!
    } catch {
      return 'X' // ended meanwhile
    }
  })
}

/** Runs a Node script to its end and gives what it printed last, as JSON; fails where it crashes. */
export async function runNode(script: string, options: SpawnOptions = {}): Promise<unknown> {
  const child = spawn(process.execPath, ['--eval', script], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`ended with ${signal ?? code}: ${stderr}`)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}
