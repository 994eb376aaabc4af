/** `npm run bench -- readings`: every promise about the price of a reading, as one table. */

import { growthTable } from './readings/growth.js'
import { hotReadings } from './readings/hot.js'
import { idling } from './readings/idle.js'
import { regionCalls } from './readings/regions.js'
import { fullTables } from './readings/tables.js'
import type { Row } from './table.js'

// One after the other: together they would measure each other.
const PARTS = { 'hot readings': hotReadings, regions: regionCalls, tables: fullTables, growth: growthTable, idling }

export async function readings(progress: (what: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, measure] of Object.entries(PARTS)) {
    progress(name)
    rows.push(...(await measure()))
  }
  return rows
}
