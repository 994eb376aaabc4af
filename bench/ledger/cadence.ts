/** What `watch()` takes of a CPU where a walk is dear: services with large heaps, side by side with one without a watch. */

import { setTimeout as sleep } from 'node:timers/promises'
import { allowedMs, OWN_ALLOWANCE } from '#dist/readings/reading-budget'
import { hasRoom, NO_ROOM, SMALL } from '../readings/shapes.js'
import { eachRound } from '../rounds.js'
import { Subject } from '../subject/start.js'
import type { Shape } from '../subject/subject.js'
import { added, notMeasured, type Row } from '../table.js'
import { FRAGMENTED, LARGE } from './shapes.js'

const GROUPS = 3
/** Starting up is not idling. */
const SETTLE_MS = 5_000
const MINUTE_MS = 60_000
/** Of one CPU: what a watch may take, beside the sum that is there once, so that a fast leak is called within 20 s. */
const SHARE = 0.001

const SHAPES: Record<string, Shape> = {
  'without a watch': SMALL,
  '1 GiB, 200,000 chunks of 5 KiB': LARGE,
  '1,500,000 chunks of 300 B': FRAGMENTED,
}

export async function cadence(): Promise<Row[]> {
  const [bare, ...watched] = Object.keys(SHAPES)
  const what = 'CPU of a service with `watch()`'
  if (!hasRoom()) return [notMeasured(what, NO_ROOM)]
  const groups: Subject[][] = []
  for (let i = 0; i < GROUPS; i++) groups.push(await Promise.all(Object.values(SHAPES).map(Subject.start)))
  await sleep(SETTLE_MS)
  const started = await cpuTimes(groups)
  for (const [, ...others] of groups) for (const subject of others) await subject.measure('watch')()
  await sleep(MINUTE_MS)
  const first = await cpuTimes(groups)
  await sleep(MINUTE_MS)
  const second = await cpuTimes(groups)
  await Promise.all(groups.flat().map((subject) => subject.stop()))

  const rows = (time: string, until: Record<string, number[]>, ms: number) =>
    watched.map((shape) => {
      const spent = (name: string) => eachRound((a, b) => (b - a) / 1e6, started[name]!, until[name]!)
      const comparison = { ours: spent(shape), theirs: spent(bare!), against: bare!, format: milliseconds }
      return added(
        { what: `${what}, ${shape}: ${time}`, ...comparison },
        allowedMs({ ...OWN_ALLOWANCE, share: SHARE }, ms),
      )
    })
  return [...rows('one minute', first, MINUTE_MS), ...rows('two minutes', second, 2 * MINUTE_MS)]
}

async function cpuTimes(groups: Subject[][]): Promise<Record<string, number[]>> {
  const all = await Promise.all(
    groups.map((group) => Promise.all(group.map((subject) => subject.measure('cpuTime')()))),
  )
  return Object.fromEntries(Object.keys(SHAPES).map((name, i) => [name, all.map((group) => group[i]!)]))
}

function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`
}
