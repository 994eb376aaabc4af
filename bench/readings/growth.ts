/** The growth table: what it costs beside smaps, and what the event loop of a busy service notices of it. */

import { inRounds } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { notMeasured, type Row, timesFaster, timesThePrice } from '../table.js'
import { HUGE, hasRoom, MEDIUM, NO_ROOM } from './shapes.js'

const ROUNDS = 21
const GAP_ROUNDS = 15

export async function growthTable(): Promise<Row[]> {
  return [...(await cost()), ...(await gaps())]
}

async function cost(): Promise<Row[]> {
  const subject = await Subject.start(MEDIUM)
  const rounds = await inRounds(ROUNDS, {
    growth: subject.measure('anonymousMappings'),
    native: subject.measure('parsedGrowth'),
    smaps: subject.measure('rawSmapsOnPool'),
    raw: subject.measure('rawSmaps'),
  })
  await subject.stop()
  const size = '500 MiB of 4 KiB pages'
  return [
    timesFaster(
      {
        what: `\`mappings({ anonymousOnly })\`, ${size}`,
        ours: rounds.growth,
        theirs: rounds.smaps,
        against: 'smaps read on a pool thread, not parsed',
      },
      8,
    ),
    timesFaster(
      { what: `its native part, ${size}`, ours: rounds.native, theirs: rounds.raw, against: 'smaps read, not parsed' },
      8,
    ),
  ]
}

async function gaps(): Promise<Row[]> {
  const size = '4 GiB, 200 mappings, main thread allocating'
  if (!hasRoom()) return [notMeasured(`longest turn of the event loop, ${size}`, NO_ROOM)]
  const subject = await Subject.start(HUGE)
  const reading = subject.measure('anonymousMappings')
  await reading()
  const windowMs = Math.ceil((await reading()) / 1e6)
  const rounds = await inRounds(GAP_ROUNDS, {
    idle: subject.measure('idleGap', windowMs),
    growth: subject.measure('gapDuringGrowth'),
    smaps: subject.measure('gapDuringSmaps'),
  })
  await subject.stop()
  const against = `in as long (${windowMs} ms) without a reading`
  return [
    timesThePrice(
      {
        what: `longest turn of the event loop during \`mappings({ anonymousOnly })\`, ${size}`,
        ours: rounds.growth,
        theirs: rounds.idle,
        against,
      },
      2.5,
    ),
    timesThePrice({
      what: `the same during \`mappings()\`, ${size}`,
      ours: rounds.smaps,
      theirs: rounds.idle,
      against,
    }),
  ]
}
