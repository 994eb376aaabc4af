/**
 * Records this process into a run folder, from before its first line to its end, without being noticed:
 * nothing here keeps the process alive, changes how it ends, or reaches the processes it starts.
 */

import { rmSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TidemarkError } from '../errors.js'
import { watch } from '../growth/watch.js'
import { printable } from '../printable.js'
import type { Reading, RunInfo } from '../readings/reading.js'
import { usage } from '../readings/usage.js'
import { regionLines } from '../regions/region.js'
import { headline } from '../report/wording.js'
import { parseDuration } from '../units.js'
import { version } from '../version.js'
import type { ProfileFile } from './profile-file.js'
import { defaultFolder, PROFILE, REPORT, TIMELINE } from './run-folder.js'
import { DEFAULT_SAMPLING, parseSampling, SETTINGS } from './settings.js'
import { TimelineWriter } from './timeline.js'

const DEFAULT_INTERVAL_MS = 1000

export function startRecording(): void {
  try {
    record()
  } catch (error) {
    warn(error)
  }
}

function record(): void {
  const script = scriptName()
  forgetPreload(process.execArgv)
  const settings = takeSettings()
  const startedAt = new Date()
  const folder = resolve(settings.out ?? defaultFolder(script, startedAt, process.pid))
  const run: RunInfo = {
    tidemark: version(),
    node: process.version,
    pid: process.pid,
    script,
    argv: process.argv.slice(2),
    intervalMs: settings.intervalMs,
    startedAt: startedAt.toISOString(),
  }

  const timeline = new TimelineWriter(join(folder, TIMELINE), run, warn)
  timeline.appendSync(edgeReading())

  const profile = startProfiling(settings.intervalBytes, folder)
  let latest: Reading | undefined
  const watching = watch({ intervalMs: settings.intervalMs, ...(profile && { profile }) })
  watching.on('error', warnOnce())
  watching.on('reading', (reading) => {
    latest = reading
    timeline.append(withRegions(reading))
  })
  process.on('exit', () => {
    try {
      watching.stop()
      timeline.appendSync(edgeReading(latest))
      profile?.writeSync()
      if (!settings.concludedByParent) report(folder)
    } catch (error) {
      warn(error)
    }
  })
}

/** Undefined where nothing is to be sampled, or cannot be: the service runs and is read all the same. */
function startProfiling(intervalBytes: number, folder: string): ProfileFile | undefined {
  const path = join(folder, PROFILE)
  try {
    if (intervalBytes === 0) {
      rmSync(path, { force: true })
      return undefined
    }
    // Loaded only now: who samples nothing need not carry the profiler's code.
    const { ProfileFile } = require('./profile-file.js') as typeof import('./profile-file.js')
    const { startProfile } = require('../profile/session.js') as typeof import('../profile/session.js')
    return new ProfileFile(path, startProfile({ intervalBytes }), warn)
  } catch (error) {
    warn(error)
    return undefined
  }
}

/** The first and the last reading: what can be read at once, without waiting for a pool thread. */
function edgeReading(before?: Reading): Reading {
  const { rss, anon, file } = usage()
  const shmem = before?.shmem ?? Number.NaN
  const swap = before?.swap ?? Number.NaN
  return withRegions({ t: Date.now(), rss, anon, file: file - shmem, shmem, swap, owners: {} })
}

function withRegions(reading: Reading): Reading {
  const regions = regionLines()
  return regions ? { ...reading, regions } : reading
}

function report(folder: string): void {
  // Loaded only now: a service need not carry this while it runs.
  const { concludeAtExit } = require('./conclude-at-exit.js') as typeof import('./conclude-at-exit.js')
  const { verdict, problems } = concludeAtExit(folder)
  for (const problem of problems) say(problem)
  if (verdict) say(`${verdict.kind}: ${printable(headline(verdict))}. See ${join(folder, REPORT)}`)
}

/** Settings leave the environment at once, so that the processes this one starts are not recorded by accident. */
function takeSettings(): {
  out: string | undefined
  intervalMs: number
  /** Between two sampled allocations; 0 where none are to be sampled. */
  intervalBytes: number
  concludedByParent: boolean
} {
  const {
    [SETTINGS.out]: out,
    [SETTINGS.interval]: interval,
    [SETTINGS.sample]: sample,
    [SETTINGS.parent]: parent,
  } = process.env
  for (const name of Object.values(SETTINGS)) delete process.env[name]
  return {
    out: out || undefined,
    intervalMs: interval ? parseDuration(interval) : DEFAULT_INTERVAL_MS,
    intervalBytes: parseSampling(sample || DEFAULT_SAMPLING),
    concludedByParent: Number(parent) === process.ppid,
  }
}

/**
 * Takes tidemark's preload out of `process.execArgv`, which child_process.fork and cluster hand on to the processes
 * they start: each of those would record itself into a folder of its own.
 */
export function forgetPreload(execArgv: string[]): void {
  for (let i = execArgv.length - 1; i >= 0; i--) {
    const word = execArgv[i]!
    const [flag, value] = word.startsWith('--') && word.includes('=') ? splitOnce(word, '=') : [word, execArgv[i + 1]]
    if (!PRELOAD_FLAGS.has(flag) || value === undefined || !isRegister(value)) continue
    execArgv.splice(i, word === flag ? 2 : 1)
  }
}

const PRELOAD_FLAGS = new Set(['--require', '-r', '--import'])

function isRegister(specifier: string): boolean {
  return specifier === 'tidemark/register' || /\/dist\/register\.m?js$/.test(specifier)
}

function splitOnce(text: string, at: string): [string, string] {
  const i = text.indexOf(at)
  return [text.slice(0, i), text.slice(i + at.length)]
}

function scriptName(): string {
  if (process.execArgv.some((word) => /^(-e|-p|-pe|--eval|--print)(=|$)/.test(word))) return '[eval]'
  return process.argv[1] ?? '[stdin]'
}

function warnOnce(): (error: unknown) => void {
  let warned = false
  return (error) => {
    if (!warned) warn(error)
    warned = true
  }
}

function warn(error: unknown): void {
  const code = error instanceof TidemarkError ? `${error.code}: ` : ''
  say(`${code}${error instanceof Error ? error.message : String(error)}`)
}

/** Straight to the descriptor: `process.stderr` would open a handle in a service that may never use it. */
function say(text: string): void {
  try {
    writeSync(2, `tidemark: ${text}\n`)
  } catch {
    // stderr is closed, or a pipe that is full: there is nobody to tell.
  }
}
