/**
 * `npm run simulate -- [TABLE…] [--series N] [--only NAME]`: the growth detector alone, on seeded series whose truth is known,
 * looked at after every reading. Prints tables in Markdown, with what set them; what it is doing goes to stderr.
 * `--only` keeps rows whose name contains NAME. Ends with 0 whatever the numbers say: they are for people to judge.
 */

import { parseArgs } from 'node:util'
import { CURVE_MS, deadZone, TRIVIAL_BYTES } from '#dist/growth/kind'
import { ERROR, TESTED_OWNERS } from '#dist/growth/owner-trend'
import { SHORTEST_MS } from '#dist/growth/windows'
import { formatBytes, formatRate } from '#dist/units'
import { days } from './days.js'
import { type Options, TABLES, type Table } from './tables.js'

const HOUR = 3600e3

/** What a table needs is written under it; this is what all share. */
function parameters(): string {
  const dead = [30e3, 120e3, 600e3, HOUR, 24 * HOUR].map(
    (spanMs) => `${formatRate(deadZone(spanMs, 100 * 2 ** 20) * HOUR)} over ${spanMs / 1000} s`,
  )
  return [
    `One reading a second, and the verdict asked for after each. Error ${ERROR}, shared by ${TESTED_OWNERS.length} owners and by`,
    `windows of ${SHORTEST_MS / 1000} s, doubling; no window below ${CURVE_MS / 1000} s and no growth below ${formatBytes(TRIVIAL_BYTES)} counts. Dead zone of an owner of`,
    `100 MiB: ${dead.join(', ')}. Unless a row says otherwise, a series is one owner that`,
    'starts with 50 MiB and grows by 30 MiB in its first seconds. Series i of a row has seed 7919 i + 17. A share is given with its standard error.',
  ].join('\n')
}

function main(args: string[]): void {
  const { values, positionals } = parseArgs({
    args,
    options: { series: { type: 'string' }, only: { type: 'string', default: '' }, help: { type: 'boolean' } },
    allowPositionals: true,
    strict: false,
  })
  const all: Record<string, Table> = { ...TABLES, days }
  const { only, help, ...rest } = values
  const series = rest.series === undefined ? undefined : Number(rest.series)
  const unknown = positionals.some((name) => !(name in all)) || Object.keys(rest).some((name) => name !== 'series')
  const wrong =
    unknown || typeof only !== 'string' || !(series === undefined || (Number.isInteger(series) && series > 0))
  if (help || wrong) {
    console.error(
      `npm run simulate -- [TABLE…] [--series N] [--only NAME], TABLE being one of: ${Object.keys(all).join(', ')}`,
    )
    process.exitCode = help ? 0 : 2
    return
  }
  const options: Options = {
    only: only as string,
    ...(series !== undefined && { series }),
    progress: (what) => process.stderr.write(`${what}\n`),
  }
  console.log(parameters())
  for (const name of positionals.length > 0 ? positionals : Object.keys(TABLES)) {
    const { title, header, rows } = all[name]!(options)
    if (rows.length === 0) continue
    console.log(`\n### ${title}\n`)
    console.log([header, header.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map(line).join('\n'))
  }
}

function line(cells: string[]): string {
  return `| ${cells.join(' | ')} |`
}

main(process.argv.slice(2))
