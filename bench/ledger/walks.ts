/** What a ledger costs: without a walk over malloc's memory, and what each chunk of a walk adds. */

import { inRounds } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { atMost, nanos, type Row, timesThePrice } from '../table.js'
import { HEAPS, LARGE, MANY_MAPPINGS } from './shapes.js'

const LIGHT_ROUNDS = 41
const ROUNDS = 9
const MOST_A_CHUNK = 120

export async function lightLedger(): Promise<Row[]> {
  const subject = await Subject.start(MANY_MAPPINGS)
  const rounds = await inRounds(LIGHT_ROUNDS, {
    cpu: subject.measure('lightLedgerCpu'),
    wall: subject.measure('lightLedger'),
    kernel: subject.measure('rawLayout'),
  })
  await subject.stop()
  const size = '1 GiB, 3,000 mappings'
  return [
    atMost({ what: `light ledger, ${size}: CPU`, values: rounds.cpu, format: nanos }, 1e6),
    atMost({ what: `light ledger, ${size}: until it is there`, values: rounds.wall, format: nanos }, 1e6),
    timesThePrice({
      what: `light ledger, ${size}: CPU`,
      ours: rounds.cpu,
      theirs: rounds.kernel,
      against: 'maps and mincore alone, not parsed',
    }),
  ]
}

export async function walks(): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, shape] of Object.entries(HEAPS)) {
    const subject = await Subject.start(shape)
    const { walk, mallinfo, copy, kernelCopy } = await inRounds(ROUNDS, {
      walk: subject.measure('walk'),
      mallinfo: subject.measure('mallinfo'),
      copy: subject.measure('copyOfHeap'),
      kernelCopy: subject.measure('kernelCopyOfHeap'),
    })
    const moved = shape === LARGE ? (await inRounds(ROUNDS, { rss: subject.measure('rssMovedByLedger') })).rss : null
    await subject.stop()
    const what = `a chunk of the walk, ${name}`
    rows.push(
      atMost({ what, values: walk, format: nanos }, MOST_A_CHUNK),
      timesThePrice({
        what,
        ours: walk,
        theirs: kernelCopy,
        against: '`process_vm_readv` of the same bytes, which nobody looks at',
      }),
      timesThePrice({ what, ours: walk, theirs: copy, against: '`memcpy` of them, which a `free` can end by SIGSEGV' }),
      timesThePrice({ what, ours: walk, theirs: mallinfo, against: '`mallinfo2`, which locks the arena' }),
    )
    if (moved) {
      const format = (bytes: number) => `${bytes / 1024} KiB`
      rows.push(atMost({ what: `RSS moved by a whole ledger, ${name}`, values: moved, format }, 0))
    }
  }
  return rows
}
