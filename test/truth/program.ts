/** Runs the programs of test/fixtures/truth, each in a process of its own: what they try could end the process. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { ROOT } from '../readings/processes.js'

export interface StackFrame {
  function: string
  file: string
  line: number
  kind: 'js' | 'native'
  inlined: boolean
  /** Link-time address of a native frame's call. */
  address: number
  /** Path of a native frame's file. */
  object: string
}

/** Blocks of one stack that were all of one size; `stack` is leaf first. */
export interface SizedTrace {
  size: number
  allocated: { count: number; bytes: number }
  live: { count: number; bytes: number }
  thread: string
  partial: number
  stack: StackFrame[]
}

export interface How {
  /** Of Node. */
  flags?: string[]
  env?: NodeJS.ProcessEnv
}

/** What the program said in its last line; fails where it did not end well. */
export async function runProgram<T>(name: string, given: object, { flags = [], env = {} }: How = {}): Promise<T> {
  const path = join(ROOT, 'test/fixtures/truth', `${name}.js`)
  const child = spawn(process.execPath, [...flags, path, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  assert.equal(signal ?? code, 0, `${name} ${JSON.stringify(given)} did not end well:\n${stdout}${stderr}`)
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T
}

/** Names of the functions of a stack, leaf first. */
export function functions(trace: Pick<SizedTrace, 'stack'>): string[] {
  return trace.stack.map((frame) => frame.function)
}

export function sum(traces: SizedTrace[], what: 'allocated' | 'live', size: number): number {
  return traces.filter((trace) => trace.size === size).reduce((count, trace) => count + trace[what].count, 0)
}
