/** What tidemark adds to a service that does nothing: several of each kind, side by side for a minute. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arming, Question } from '../subject/idle.js'
import { added, type Row } from '../table.js'

const GROUPS = 8
/** Starting up is not idling. */
const SETTLE_MS = 5_000
const WATCH_MS = 60_000
const ARMINGS: Arming[] = ['bare', 'imported', 'watched']

interface Idled {
  rss: number
  anon: number
  /** Of one CPU. */
  cpuPercent: number
}

export async function idling(): Promise<Row[]> {
  // One of each kind at a time: those started together share the moment, and are compared with each other.
  const groups: ChildProcess[][] = []
  for (let i = 0; i < GROUPS; i++) groups.push(await Promise.all(ARMINGS.map(startIdle)))
  const askAll = (question: Question) =>
    Promise.all(groups.map((group) => Promise.all(group.map((child) => ask(child, question)))))
  // Garbage is not what a service holds, and how much of it there is at a moment is chance.
  await askAll('collect')
  await sleep(SETTLE_MS)
  const before = await askAll('cpu')
  await sleep(WATCH_MS)
  const after = await askAll('cpu')
  await askAll('collect')
  const idled = groups.map((group, g) =>
    group.map((child, i): Idled => {
      const spentMs = after[g]![i]! - before[g]![i]!
      return { ...resident(child.pid!), cpuPercent: (100 * spentMs) / WATCH_MS }
    }),
  )
  for (const child of groups.flat()) child.kill('SIGKILL')

  const of = (arming: Arming, field: keyof Idled) => idled.map((group) => group[ARMINGS.indexOf(arming)]![field])
  const compare = (arming: Arming, field: keyof Idled, what: string, format: (value: number) => string) => ({
    what: `${what} of an idle service ${arming === 'watched' ? 'with `watch()` for a minute' : 'that imports tidemark'}`,
    ours: of(arming, field),
    theirs: of('bare', field),
    against: 'without tidemark',
    format,
  })
  return [
    added(compare('imported', 'rss', 'RSS', mebibytes)),
    added(compare('imported', 'anon', 'anonymous memory', mebibytes)),
    added(compare('watched', 'rss', 'RSS', mebibytes), 2 ** 20),
    added(compare('watched', 'anon', 'anonymous memory', mebibytes)),
    added(compare('imported', 'cpuPercent', 'CPU', percent)),
    added(compare('watched', 'cpuPercent', 'CPU', percent), 0.1),
  ]
}

async function startIdle(arming: Arming): Promise<ChildProcess> {
  const child = fork(join(__dirname, '../subject/idle.js'), [arming], { execArgv: ['--expose-gc'] })
  await once(child, 'message')
  return child
}

/** CPU time so far, ms. */
async function ask(child: ChildProcess, question: Question): Promise<number> {
  child.send(question)
  const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return (user + system) / 1000
}

/** Exact, as statm is not on a machine of many CPUs. */
function resident(pid: number): { rss: number; anon: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const bytes = (key: string) => Number(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(rollup)![1]) * 1024
  return { rss: bytes('Rss'), anon: bytes('Anonymous') }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(2)} MiB`
}

function percent(value: number): string {
  return `${value.toFixed(3)} %`
}
