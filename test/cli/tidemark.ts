/** Runs the command line as a user does, in a folder that is gone after the test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Verdict } from 'tidemark'

export const MAIN = require.resolve('#dist/cli/main')
export const DIST = dirname(dirname(MAIN))

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'tidemark-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function write(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

export interface End {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: string
}

export interface Running {
  child: ChildProcess
  /** Resolves when the text has appeared on stdout. */
  says(text: string): Promise<void>
  end: Promise<End>
}

export interface Options {
  cwd?: string
  input?: string
  env?: NodeJS.ProcessEnv
  uid?: number
}

/** Starts `command`; it is killed with the test that started it. */
export function start(t: TestContext, command: string, words: string[], options: Options = {}): Running {
  const { input, ...rest } = options
  const child = spawn(command, words, { stdio: 'pipe', ...rest })
  t.after(() => child.kill('SIGKILL'))
  child.stdin.on('error', () => {})
  if (input !== undefined) child.stdin.end(input)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  const end = new Promise<End>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
    })
  })
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (Buffer.concat(stdout).includes(text)) resolve()
      }
      child.stdout.on('data', look)
      end.then(() => reject(new Error(`ended without saying '${text}'`)), reject)
      look()
    })
  return { child, says, end }
}

export function startTidemark(t: TestContext, words: string[], options?: Options): Running {
  return start(t, process.execPath, [MAIN, ...words], options)
}

export function tidemark(t: TestContext, words: string[], options: Options = {}): Promise<End> {
  return startTidemark(t, words, { input: '', ...options }).end
}

export function readVerdict(folder: string): Verdict {
  return JSON.parse(readFileSync(join(folder, 'verdict.json'), 'utf8')) as Verdict
}

export function timelineLines(folder: string): string[] {
  return readFileSync(join(folder, 'timeline.ndjson'), 'utf8').split('\n').slice(0, -1)
}

/** The files of a run's folder, but for the profile: whether a process lived for a first snapshot depends on the machine. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name !== 'profile.pb.gz')
    .sort()
}

/** What must be there after any end. */
export const FILES = ['report.html', 'timeline.ndjson', 'verdict.json']
