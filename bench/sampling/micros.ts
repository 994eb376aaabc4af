/** malloc and free: with the hooks in and out in turn, in one process; and what other profilers do to their allocators. */

import { eachRound, inRounds, type Rounds, type Side } from '../rounds.js'
import type { AllocatingRequest } from '../subject/allocating.js'
import { Respondent } from '../subject/process.js'
import { added, notMeasured, type Row, timesThePrice } from '../table.js'
import { loopOf, MICROS, type Micro } from './allocations.js'
import { DATADOG, PEERS, type Peer } from './peers.js'

/**
 * Where a process has its code and its memory makes a few percent of a loop of nanoseconds, for as long as it lives: so
 * each is started several times.
 */
const STARTS = 3
const ROUNDS = 7
const KIB = 1024

/** The most that the hooks may multiply the time by, where that is a goal. */
const GOALS: Partial<Record<Micro, { at512KiB: number; at64KiB: number }>> = {
  'pair of 64 B': { at512KiB: 1.1, at64KiB: 1.25 },
  '1,000 live blocks to 1 KiB': { at512KiB: 1.1, at64KiB: 1.25 },
}

const MIXED: Micro = '1,000 live blocks to 1 KiB'
const THREADED: [micro: Micro, threads: number, goal?: number][] = [
  ['pair of 64 B', 2],
  [MIXED, 2],
  ['pair of 64 B', 16, 1.15],
  [MIXED, 16, 1.15],
]

type Profiler = Pick<AllocatingRequest, 'profiler' | 'intervalBytes'>

const AT_512_KIB: Profiler = { profiler: 'tidemark', intervalBytes: 512 * KIB }
const AT_64_KIB: Profiler = { profiler: 'tidemark', intervalBytes: 64 * KIB }

/** All processes of a comparison, started afresh. */
interface Running {
  ours: Respondent
  /** With a peer's allocator, and with its profiler in addition. */
  pairs: { peer: Peer; plain: Respondent; profiled: Respondent }[]
  datadog: Respondent | null
}

async function start(peers: Peer[]): Promise<Running> {
  const allocating = (env: NodeJS.ProcessEnv = {}) =>
    Respondent.start('allocating', [], { env: { ...process.env, ...env } })
  const pairs: Running['pairs'] = []
  for (const peer of peers) {
    pairs.push({ peer, plain: await allocating(peer.plain()!), profiled: await allocating(peer.profiled()) })
  }
  return { ours: await allocating(), pairs, datadog: DATADOG.installed() ? await allocating() : null }
}

async function stop({ ours, pairs, datadog }: Running): Promise<void> {
  const all = [ours, ...pairs.flatMap(({ plain, profiled }) => [plain, profiled])]
  await Promise.all([...all, ...(datadog ? [datadog] : [])].map((subject) => subject.stop()))
}

export async function micros(): Promise<Row[]> {
  const installed = PEERS.filter((peer) => peer.plain() !== null)
  const missing = PEERS.filter((peer) => peer.plain() === null)
  const rows = missing.map(({ name, install }) => notMeasured(name, `not installed: ${install}`))
  if (!DATADOG.installed()) rows.push(notMeasured(DATADOG.name, `not installed: ${DATADOG.install}`))
  for (const micro of Object.keys(MICROS) as Micro[]) rows.push(...(await compare(micro, installed)))
  for (const [micro, threads, goal] of THREADED) rows.push(await onThreads(micro, threads, goal))
  return rows
}

/** The rounds of several starts, one after the other. */
async function measured(peers: Peer[], sides: (running: Running) => Record<string, Side>): Promise<Rounds<string>> {
  const all: Rounds<string> = {}
  for (let i = 0; i < STARTS; i++) {
    const running = await start(peers)
    const rounds = await inRounds(ROUNDS, sides(running))
    for (const [name, values] of Object.entries(rounds)) all[name] = [...(all[name] ?? []), ...values]
    await stop(running)
  }
  return all
}

function side(subject: Respondent, micro: Micro, profiler: Profiler = {}, threads = 1, slowness = 1): Side {
  const operations = Math.ceil(MICROS[micro] / slowness)
  const request: AllocatingRequest = { loop: loopOf(micro), operations, threads, ...profiler }
  return async () => (await subject.ask(request)) as number
}

async function compare(micro: Micro, peers: Peer[]): Promise<Row[]> {
  const rounds = await measured(peers, ({ ours, pairs, datadog }) => {
    const sides: Record<string, Side> = {
      off: side(ours, micro),
      at512KiB: side(ours, micro, AT_512_KIB),
      at64KiB: side(ours, micro, AT_64_KIB),
    }
    for (const { peer, plain, profiled } of pairs) {
      sides[`${peer.name} plain`] = side(plain, micro)
      sides[`${peer.name} profiled`] = side(profiled, micro, {}, 1, peer.slowness)
    }
    if (datadog !== null) {
      sides['datadog plain'] = side(datadog, micro)
      sides['datadog profiled'] = side(datadog, micro, { profiler: 'datadog', intervalBytes: 512 * KIB })
    }
    return sides
  })
  // What a profiler adds, as a share of what its allocator takes without it.
  const cost = (on: string, off: string) => eachRound((a, b) => a / b - 1, rounds[on]!, rounds[off]!)
  const hooked = (key: 'at512KiB' | 'at64KiB', interval: string) =>
    timesThePrice(
      {
        what: `${micro}, sampled every ${interval}`,
        ours: rounds[key]!,
        theirs: rounds.off!,
        against: 'without hooks',
      },
      GOALS[micro]?.[key],
    )
  const others = peers.map(({ name, goal }) => ({ name, cost: cost(`${name} profiled`, `${name} plain`), goal }))
  if (DATADOG.installed()) {
    others.push({ name: DATADOG.name, cost: cost('datadog profiled', 'datadog plain'), goal: undefined })
  }
  return [
    hooked('at512KiB', '512 KiB'),
    hooked('at64KiB', '64 KiB'),
    ...others.map((other) => {
      const comparison = {
        what: `what the profiler adds to ${micro}`,
        ours: cost('at512KiB', 'off'),
        theirs: other.cost,
        against: other.name,
        format: percent,
      }
      // Of next to nothing there is no multiple.
      if (typeof other.goal === 'number') return timesThePrice(comparison, other.goal)
      return added(comparison, other.goal === 'less' ? 0 : undefined)
    }),
  ]
}

async function onThreads(micro: Micro, threads: number, goal?: number): Promise<Row> {
  const rounds = await measured([], ({ ours }) => ({
    off: side(ours, micro, {}, threads),
    on: side(ours, micro, AT_512_KIB, threads),
  }))
  const what = `${micro}, ${threads} threads, sampled every 512 KiB`
  return timesThePrice({ what, ours: rounds.on!, theirs: rounds.off!, against: 'without hooks' }, goal)
}

function percent(share: number): string {
  return `${share < 0 ? '−' : ''}${Math.abs(share * 100).toFixed(1)} %`
}
