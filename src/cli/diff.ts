/** `tidemark diff`: what changed between two saved tables of mappings. */

import { readFileSync } from 'node:fs'
import { errorCode, TidemarkError } from '../errors.js'
import { printable } from '../printable.js'
import { Mappings } from '../readings/mappings.js'
import type { MappingChange } from '../readings/mappings-diff.js'
import { formatBytes } from '../units.js'
import { type Command, expectWords, parse } from './command.js'
import { table } from './table.js'

const HELP = `tidemark diff [options] A B

Compares two tables saved by tidemark maps PID --json, A the earlier: which anonymous memory appeared, grew, shrank
and went. Mappings are joined by address, so one that was split or merged in between is one change.

  --json      the changes as JSON on stdout, in bytes
  -h, --help
`

export const diff: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, { json: { type: 'boolean', default: false } })
    const { A, B } = expectWords(positionals, 'A', 'B')
    const changes = load(B).diff(load(A))
    if (values.json) {
      process.stdout.write(`${JSON.stringify(changes)}\n`)
      return 0
    }
    const { appeared, grew, shrank, gone, anonDelta } = changes
    const rows = [
      ...appeared.map((change) => row('appeared', change)),
      ...grew.map((change) => row('grew', change)),
      ...shrank.map((change) => row('shrank', change)),
      ...gone.map((change) => row('gone', change)),
    ]
    if (rows.length > 0) process.stdout.write(`${table(COLUMNS, rows)}\n`)
    process.stdout.write(
      `anonymous memory ${formatBytes(anonDelta, { signed: true })}: ` +
        `${appeared.length} appeared, ${grew.length} grew, ${shrank.length} shrank, ${gone.length} gone\n`,
    )
    return 0
  },
}

const COLUMNS = [
  { title: '', align: 'left' },
  { title: 'Before', align: 'right' },
  { title: 'After', align: 'right' },
  { title: 'Change', align: 'right' },
  { title: 'Address', align: 'right' },
  { title: 'Perm', align: 'left' },
  { title: 'Owner', align: 'left' },
  { title: 'Mapping', align: 'left' },
] as const

function row(what: string, { before, after, delta, start, perms, owner, name }: MappingChange): string[] {
  return [
    what,
    formatBytes(before),
    formatBytes(after),
    formatBytes(delta, { signed: true }),
    BigInt(start).toString(16),
    perms,
    owner,
    name === '' ? '[anon]' : printable(name),
  ]
}

function load(file: string): Mappings {
  try {
    return Mappings.from(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    const reason = cause instanceof TidemarkError || cause instanceof SyntaxError ? cause.message : errorCode(cause)
    throw new TidemarkError(
      'ERR_TIDEMARK_FILE',
      `cannot read ${file} (${reason}): give two files made by tidemark maps PID --json`,
      { cause },
    )
  }
}
