/** What sampling needs besides malloc and free: stacks, tables, names, and profiles made of them. */

import { Respondent } from '../subject/process.js'
import type { Churn, Exported, SampleCost, Subject, Tables } from '../subject/profiling.js'
import { added, atMost, notMeasured, type Row } from '../table.js'

const ROUNDS = 15
const MIB = 2 ** 20

/** Seconds of functions that come and go: 600 with `--long`. */
const CHURN_SECONDS = process.argv.includes('--long') ? 600 : 60

async function repeated<T>(subject: Subject, rounds: number): Promise<T[]> {
  const child = await Respondent.start('profiling', [subject])
  const all: T[] = []
  try {
    for (let i = 0; i < rounds; i++) all.push((await child.ask({})) as T)
  } finally {
    await child.stop()
  }
  return all
}

/** Each in a process of its own: tables are built once. */
async function first<T>(subject: Subject): Promise<T> {
  return (await repeated<T>(subject, 1))[0]!
}

export async function machinery(): Promise<Row[]> {
  return [await oneSample(), ...(await unwindTables()), ...(await functionChurn()), ...(await wholeProfiles())]
}

async function oneSample(): Promise<Row> {
  const [, ...costs] = await repeated<SampleCost>('sample', ROUNDS + 1)
  return added(
    {
      what: `a sample and its removal, with a stack of ${costs[0]!.frames} frames of JavaScript and native code`,
      ours: costs.map((cost) => cost.sampled),
      theirs: costs.map((cost) => cost.unsampled),
      against: 'malloc and free alone',
    },
    1500,
  )
}

async function unwindTables(): Promise<Row[]> {
  const all: Tables[] = []
  try {
    for (let i = 0; i < ROUNDS; i++) all.push(await first<Tables>('tables'))
  } catch {
    return [notMeasured('unwind tables with sharp loaded', 'not installed: npm install sharp')]
  }
  const what = `unwind tables of ${all[0]!.objects} patched objects, sharp's among them`
  return [
    atMost({ what: `${what}: memory`, values: all.map((tables) => tables.bytes), format: mebibytes }, 2 * MIB),
    atMost({ what: `${what}: time to build`, values: all.map((tables) => tables.ms), format: milliseconds }, 10),
    atMost({ what: 'all slots patched', values: all.map((tables) => tables.installMs), format: milliseconds }, 5),
  ]
}

async function functionChurn(): Promise<Row[]> {
  const all = await repeated<Churn>('churn', CHURN_SECONDS)
  const half = all[Math.floor(all.length / 2)]!
  const end = all.at(-1)!
  const what = `after ${CHURN_SECONDS} s and ${end.functions.toLocaleString('en')} functions`
  return [
    added(
      {
        what: `code map ${what}: ${end.entries.toLocaleString('en')} entries`,
        ours: [end.codeBytes],
        theirs: [half.codeBytes],
        against: `after half as long, ${half.entries.toLocaleString('en')} entries`,
        format: mebibytes,
      },
      MIB / 4,
    ),
    added({
      what: `all of tidemark's own memory ${what}`,
      ours: [end.profilerBytes],
      theirs: [half.profilerBytes],
      against: 'after half as long',
      format: mebibytes,
    }),
  ]
}

async function wholeProfiles(): Promise<Row[]> {
  const [, ...all] = await repeated<Exported>('export', ROUNDS + 1)
  const stacks = `${all[0]!.traces.toLocaleString('en')} stacks`
  return (['atOnce', 'inTurns'] as const).flatMap((how) => {
    const what = `\`snapshot()\` and \`${how === 'atOnce' ? 'toPprof' : 'toPprofAsync'}()\` of ${stacks}`
    const turns = { what: `${what}: longest turn of the event loop`, values: all.map((one) => one[how].longestTurnMs) }
    return [
      atMost({ what, values: all.map((one) => one[how].totalMs), format: milliseconds }, 100),
      atMost({ ...turns, format: milliseconds }, 10),
    ]
  })
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(2)} MiB`
}

function milliseconds(value: number): string {
  return `${value.toPrecision(3)} ms`
}
