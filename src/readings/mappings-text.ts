/** Prints mappings the way pmap -X does: one a line, KiB, totals below. */

import type { Mapping, MappingTotals } from './mapping.js'

const COLUMNS = ['size', 'rss', 'pss', 'anon', 'swap'] as const
const HEADINGS = ['Size', 'RSS', 'PSS', 'Anon', 'Swap']

function kib(bytes: number): string {
  return Number.isNaN(bytes) ? '-' : String(Math.round(bytes / 1024))
}

/** Page addresses above 2^53 are exact in a double, but only BigInt prints their digits. */
function address(value: number): string {
  return BigInt(value).toString(16).padStart(12, '0')
}

/** @param totals printed on the last line: of the rows, or of the whole table when only some of its rows are given */
export function mappingsText(rows: readonly Mapping[], totals: MappingTotals): string {
  const cells = rows.map((m) => COLUMNS.map((c) => kib(m[c])))
  const sums = COLUMNS.map((c) => kib(totals[c]))
  const widths = COLUMNS.map((_, i) => Math.max(...[HEADINGS, sums, ...cells].map((row) => row[i]!.length)))
  const owners = Math.max('Owner'.length, ...rows.map((m) => m.owner.length))
  const line = (first: string, numbers: readonly string[], perms: string, owner: string, name: string) =>
    [first.padStart(16), perms.padEnd(4), ...numbers.map((n, i) => n.padStart(widths[i]!)), owner.padEnd(owners), name]
      .join(' ')
      .trimEnd()
  return [
    line('Address', HEADINGS, 'Perm', 'Owner', 'Mapping'),
    ...rows.map((m, i) => line(address(m.start), cells[i]!, m.perms, m.owner, m.name === '' ? '[anon]' : m.name)),
    line('total KiB', sums, '', '', `${totals.count} mappings`),
    '',
  ].join('\n')
}
