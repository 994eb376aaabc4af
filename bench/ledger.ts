/** `npm run bench -- ledger`: every promise about the price of a ledger, as one table. */

import { cadence } from './ledger/cadence.js'
import { fromOutside } from './ledger/outside.js'
import { eventLoop, stalls } from './ledger/stalls.js'
import { lightLedger, walks } from './ledger/walks.js'
import type { Row } from './table.js'

const PARTS = {
  'light ledgers': lightLedger,
  'walks over chunks': walks,
  'other threads': stalls,
  'the event loop': eventLoop,
  'ledgers by pid': fromOutside,
  'two minutes of watch()': cadence,
}

export async function ledger(progress: (what: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, measure] of Object.entries(PARTS)) {
    progress(name)
    rows.push(...(await measure()))
  }
  return rows
}
