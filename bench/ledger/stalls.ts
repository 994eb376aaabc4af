/** What others notice of a walk: a thread that allocates, and the event loop of a busy service. */

import { hasRoom, NO_ROOM } from '../readings/shapes.js'
import { inRounds } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { notMeasured, type Row, timesFaster, timesThePrice } from '../table.js'
import { FRAGMENTED, HUGE } from './shapes.js'

const ROUNDS = 21
const GAP_ROUNDS = 7
/** A part of it: the walk must not be over while nobody looks. */
const OVERLAP = 0.8

export async function stalls(): Promise<Row[]> {
  const subject = await Subject.start(FRAGMENTED)
  const windowMs = Math.ceil((await typically(subject.measure('ledger'))) * OVERLAP)
  const { idle, ledger, mallinfo } = await inRounds(ROUNDS, {
    idle: subject.measure('longestMalloc', windowMs),
    ledger: subject.measure('longestMallocDuringLedger', windowMs),
    mallinfo: subject.measure('longestMallocDuringMallinfo', windowMs),
  })
  await subject.stop()
  const what = 'longest malloc of another thread during a whole ledger, 750,000 free chunks'
  return [
    timesThePrice({ what, ours: ledger, theirs: idle, against: `in as long (${windowMs} ms) without one` }),
    timesFaster({ what, ours: ledger, theirs: mallinfo, against: 'during `mallinfo2`, which holds the lock' }),
  ]
}

export async function eventLoop(): Promise<Row[]> {
  const what =
    'longest turn of the event loop during a whole ledger, 4 GiB in 800,000 chunks of 5 KiB, main thread allocating'
  if (!hasRoom()) return [notMeasured(what, NO_ROOM)]
  const subject = await Subject.start(HUGE)
  const windowMs = Math.ceil(await typically(subject.measure('ledger')))
  const { idle, ledger } = await inRounds(GAP_ROUNDS, {
    idle: subject.measure('idleGapOfLedger', windowMs),
    ledger: subject.measure('gapDuringLedger'),
  })
  await subject.stop()
  return [timesThePrice({ what, ours: ledger, theirs: idle, against: `in as long (${windowMs} ms) without one` }, 2.5)]
}

/** ms. The first one finds no memory of ours yet. */
async function typically(measure: () => Promise<number>): Promise<number> {
  await measure()
  return (await measure()) / 1e6
}
