/** The whole ledger of another process, live told from free, beside what people read of one. */

import { pmap } from '../readings/peers.js'
import { SMALL } from '../readings/shapes.js'
import { inRounds, type Side } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { atMost, nanos, notMeasured, type Row, timesThePrice } from '../table.js'
import { LARGE } from './shapes.js'

const ROUNDS = 11

export async function fromOutside(): Promise<Row[]> {
  const reader = await Subject.start(SMALL)
  const target = await Subject.start(LARGE)
  const { pid } = target
  const peer = pmap(pid)
  const absent: Side = () => Number.NaN
  const { ledger, smaps, table } = await inRounds(ROUNDS, {
    ledger: reader.measure('ledger', pid),
    smaps: reader.measure('rawSmapsOnPool', pid),
    table: peer ?? absent,
  })
  await target.stop()
  await reader.stop()
  const what = '`ledger({ pid })`, 1 GiB, 200,000 chunks of 5 KiB'
  return [
    atMost({ what, values: ledger, format: nanos }, 300e6),
    timesThePrice({ what, ours: ledger, theirs: smaps, against: 'smaps read, not parsed: live is not told from free' }),
    peer === null
      ? notMeasured(what, 'there is no pmap here')
      : timesThePrice({ what, ours: ledger, theirs: table, against: '`pmap -X`, its start included; the same' }),
  ]
}
