/** A ledger as `tidemark maps --group owner` prints it. Pure. */

import { OWNERS, type Owner } from '../owners.js'
import type { AllocatorLedger, Ledger } from '../readings/ledger.js'
import { OWNER_MEANING } from '../report/wording.js'
import { formatBytes } from '../units.js'
import { table } from './table.js'

/** Largest first; what was found of nobody is left out. */
function ownersOf({ owners }: Ledger, min: number): { owner: Owner; rss: number }[] {
  return OWNERS.map((owner) => ({ owner, rss: owners[owner] ?? 0 }))
    .filter(({ rss }) => rss !== 0 && Math.abs(rss) >= min)
    .sort((a, b) => b.rss - a.rss)
}

/** Bytes; `low` and `high` where an owner is not exact. */
export function ledgerJson(ledger: Ledger, min: number): string {
  const rows = ownersOf(ledger, min).map(({ owner, rss }) => {
    const { low, high } = ledger.confidence[owner] ?? {}
    return { owner, rss, ...(low !== undefined && { low, high }) }
  })
  return `${JSON.stringify(rows)}\n`
}

/** The table, in KiB, and below it what malloc holds. */
export function ledgerText(ledger: Ledger, min: number): string {
  const kib = (bytes: number) => String(Math.round(bytes / 1024))
  const share = (bytes: number) => `${((100 * bytes) / ledger.rss).toFixed(1)} %`
  const rows = ownersOf(ledger, min).map(({ owner, rss }) => [kib(rss), share(rss), owner, OWNER_MEANING[owner]])
  const owners = table(
    [
      { title: 'RSS', align: 'right' },
      { title: 'Share', align: 'right' },
      { title: 'Owner', align: 'left' },
      { title: '', align: 'left' },
    ],
    [...rows, [kib(ledger.rss), '', 'total KiB', '']],
  )
  return [owners, '', allocatorWords(ledger), ...ledger.notes].join('\n').concat('\n')
}

function allocatorWords({ allocator, trimmable }: Ledger): string {
  const { name, live, free, arenas, blocks } = allocator
  if (live === null || free === null) return `malloc (${name})`
  const threads = arenas.filter(({ kind }) => kind === 'thread')
  const inThreads = threads.reduce((sum, arena) => sum + arena.free, 0)
  const parts = [`${formatBytes(live)} live`, `${formatBytes(free)} free`]
  if (threads.length > 0) parts.push(`${formatBytes(inThreads)} of it in ${arenasWords(threads.length)}`)
  if (blocks.count > 0) parts.push(blocksWords(blocks))
  return `malloc (${name}): ${parts.join(', ')}; malloc_trim would give back ${formatBytes(trimmable)}`
}

function arenasWords(count: number): string {
  return count === 1 ? "a thread's arena" : `${count} arenas of threads`
}

function blocksWords({ count, resident }: AllocatorLedger['blocks']): string {
  return count === 1
    ? `one block of ${formatBytes(resident)} mapped by itself`
    : `${count} blocks of ${formatBytes(resident)} mapped one by one`
}
