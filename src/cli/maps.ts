/** `tidemark maps`: the mappings of a process, like pmap. */

import { printable } from '../printable.js'
import { ledger } from '../readings/ledger.js'
import type { Mapping } from '../readings/mapping.js'
import { type MappingGroup, mappings } from '../readings/mappings.js'
import { mappingsText } from '../readings/mappings-text.js'
import { formatBytes, parseBytes } from '../units.js'
import { type Command, expectWords, parse, toPid, toValue, UsageError } from './command.js'
import { ledgerJson, ledgerText } from './ledger-text.js'
import { table } from './table.js'

const HELP = `tidemark maps [options] PID

Prints the mappings of a process in KiB, in order of address, with totals over all of them as pmap -X gives them.

  --min SIZE          only mappings, or groups, with at least this much RSS, such as 1MiB
  --group owner       who owns how much of RSS, live and freed memory of malloc told apart
  --group name        sums by name instead of single mappings, largest first
  --json              an array on stdout, sizes in bytes; two of them can be compared by tidemark diff
  -h, --help

Needs the same user as the process, or CAP_SYS_PTRACE.
`

const OPTIONS = {
  min: { type: 'string', default: '0' },
  group: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const maps: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, OPTIONS)
    const pid = toPid(expectWords(positionals, 'PID').PID)
    const min = toValue('--min', values.min, parseBytes)
    const { group } = values
    if (group !== undefined && group !== 'owner' && group !== 'name') {
      throw new UsageError(`--group: '${group}' is neither owner nor name`)
    }

    if (group === 'owner') {
      const owners = await ledger({ pid })
      process.stdout.write(values.json ? ledgerJson(owners, min) : ledgerText(owners, min))
      return 0
    }
    const all = await mappings({ pid })
    if (group === 'name') {
      const groups = all.group('name').filter(({ rss }) => rss >= min)
      process.stdout.write(values.json ? groupsJson(groups) : groupsText(groups, all.totals()))
      return 0
    }
    const rows = all.rows().filter(({ rss }) => rss >= min)
    if (values.json) {
      process.stdout.write(mappingsJson(rows))
      return 0
    }
    process.stdout.write(printableLines(mappingsText(rows, all.totals())))
    if (rows.length < all.length) {
      process.stdout.write(`${rows.length} of ${all.length} shown: those with at least ${formatBytes(min)} of RSS\n`)
    }
    return 0
  },
}

/**
 * One mapping a line. Addresses above 2^53 are written digit by digit: JSON.stringify gives the shortest number that a
 * double takes for the same, and other languages read that as another address.
 */
export function mappingsJson(rows: Mapping[]): string {
  const lines = rows.map(({ start, end, ...rest }) => {
    return `{"start":${BigInt(start)},"end":${BigInt(end)},${JSON.stringify(rest).slice(1)}`
  })
  return lines.length === 0 ? '[]\n' : `[\n${lines.join(',\n')}\n]\n`
}

const SUMS = ['count', 'size', 'rss', 'pss', 'anon', 'swap'] as const

function groupsJson(groups: MappingGroup[]): string {
  return `${JSON.stringify(groups.map(({ key, ...sums }) => ({ name: key, ...sums })))}\n`
}

function groupsText(groups: MappingGroup[], totals: Omit<MappingGroup, 'key'>): string {
  const cells = (sums: Omit<MappingGroup, 'key'>) =>
    SUMS.map((name) => String(name === 'count' ? sums.count : Math.round(sums[name] / 1024)))
  const columns = ['Mappings', 'Size', 'RSS', 'PSS', 'Anon', 'Swap'].map(
    (title) => ({ title, align: 'right' }) as const,
  )
  return `${table(
    [...columns, { title: 'Mapping', align: 'left' }],
    [...groups.map((group) => [...cells(group), printable(group.key)]), [...cells(totals), 'total KiB']],
  )}\n`
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
