/** usage() and rusage(): against the system call and an empty call into an addon, and whatever the size of the process. */

import { eachRound, inRounds } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { type Comparison, notMeasured, type Row, timesFaster, timesThePrice } from '../table.js'
import { HUGE, hasRoom, NO_ROOM, SMALL } from './shapes.js'

const ROUNDS = 101
const CALLS = 4_000

export async function hotReadings(): Promise<Row[]> {
  const subject = await Subject.start(SMALL)
  const rounds = await inRounds(ROUNDS, {
    usage: subject.measure('usage', CALLS),
    preadStatm: subject.measure('preadStatm', CALLS),
    noop: subject.measure('noop', CALLS),
    memoryUsageRss: subject.measure('memoryUsageRss', CALLS / 4),
    rusageSelf: subject.measure('rusageSelf', CALLS),
    getrusageSelf: subject.measure('getrusageSelf', CALLS),
    rusageThread: subject.measure('rusageThread', CALLS),
    getrusageThread: subject.measure('getrusageThread', CALLS),
  })
  await subject.stop()
  const floor = (what: string, ours: number[], call: number[], against: string): Comparison => ({
    what,
    ours,
    theirs: eachRound((a, b) => a + b, call, rounds.noop),
    against: `${against} and an empty call`,
  })
  return [
    timesThePrice(floor('`usage()`', rounds.usage, rounds.preadStatm, 'a `pread` of statm'), 1.3),
    timesFaster(
      { what: '`usage()`', ours: rounds.usage, theirs: rounds.memoryUsageRss, against: '`process.memoryUsage.rss()`' },
      5,
    ),
    timesThePrice(floor("`rusage('self')`", rounds.rusageSelf, rounds.getrusageSelf, '`getrusage`'), 1.3),
    timesThePrice(floor("`rusage('thread')`", rounds.rusageThread, rounds.getrusageThread, '`getrusage`'), 1.3),
    await flatness(),
  ]
}

async function flatness(): Promise<Row> {
  const what = '`usage()` at 4 GiB and 20,000 mappings'
  if (!hasRoom()) return notMeasured(what, NO_ROOM)
  const small = await Subject.start(SMALL)
  const huge = await Subject.start({ ...HUGE, mappings: 20_000 })
  const rounds = await inRounds(ROUNDS, {
    small: small.measure('usage', CALLS),
    huge: huge.measure('usage', CALLS),
  })
  await small.stop()
  await huge.stop()
  return timesThePrice({ what, ours: rounds.huge, theirs: rounds.small, against: 'itself at 50 MiB and 200' }, 1.2)
}
