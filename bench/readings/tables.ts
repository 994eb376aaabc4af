/** The full table: against the kernel's own part of it, and against what people use. All read the same process. */

import { inRounds, type Side } from '../rounds.js'
import { Subject } from '../subject/start.js'
import type { Shape } from '../subject/subject.js'
import { notMeasured, type Row, timesFaster, timesThePrice } from '../table.js'
import { pmap, psutil } from './peers.js'
import { SMALL } from './shapes.js'

const ROUNDS = 21
const MANY: Shape = { rss: 500 * 2 ** 20, mappings: 2_000 }

export async function fullTables(): Promise<Row[]> {
  return [...(await fullTable(SMALL, '50 MiB, 200 mappings')), ...(await fullTable(MANY, '500 MiB, 2,000 mappings'))]
}

async function fullTable(shape: Shape, size: string): Promise<Row[]> {
  const reader = await Subject.start(SMALL)
  // A process that only lies there: its table is the same for everyone.
  const target = await Subject.start(shape)
  const { pid } = target
  const python = await psutil(pid)
  const peers: Record<'pmap' | 'psutil', Side | null> = { pmap: pmap(pid), psutil: python?.side ?? null }
  const absent: Side = () => Number.NaN
  const rounds = await inRounds(ROUNDS, {
    native: reader.measure('parsedSmaps', pid),
    raw: reader.measure('rawSmaps', pid),
    mappings: reader.measure('mappings', pid),
    rawOnPool: reader.measure('rawSmapsOnPool', pid),
    rows: reader.measure('mappingRows', pid),
    regex: reader.measure('splitAndRegex', pid),
    pmap: peers.pmap ?? absent,
    psutil: peers.psutil ?? absent,
  })
  python?.stop()
  await target.stop()
  await reader.stop()
  const what = (of: string) => `${of}, ${size}`
  const { native, raw, mappings, rawOnPool, rows, regex } = rounds
  const beside = (name: 'pmap' | 'psutil', against: string) =>
    peers[name] === null
      ? notMeasured(what('`mappings({ pid })`'), `there is no ${name} here`)
      : timesFaster({ what: what('`mappings({ pid })`'), ours: mappings, theirs: rounds[name], against })
  return [
    timesThePrice(
      { what: what('native part of `mappings()`'), ours: native, theirs: raw, against: 'smaps read, not parsed' },
      1.1,
    ),
    timesThePrice(
      {
        what: what('`mappings()`'),
        ours: mappings,
        theirs: rawOnPool,
        against: 'smaps read on a pool thread, not parsed',
      },
      1.1,
    ),
    timesFaster(
      { what: what('`mappings()`'), ours: mappings, theirs: regex, against: '`readFileSync` + `split` + regex' },
      6,
    ),
    timesFaster({ what: what('`mappings()` and all its rows'), ours: rows, theirs: regex, against: 'the same' }),
    beside('psutil', 'psutil `memory_maps(grouped=False)`'),
    beside('pmap', '`pmap -X`, its start included'),
  ]
}
