/** `npm run bench -- sampling`: every promise about the price of sampling allocations, as one table. */

import { machinery } from './sampling/machinery.js'
import { micros } from './sampling/micros.js'
import type { Row } from './table.js'

const PARTS = { 'malloc and free, and peers': micros, 'stacks, tables, names and profiles': machinery }

export async function sampling(progress: (what: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, measure] of Object.entries(PARTS)) {
    progress(name)
    rows.push(...(await measure()))
  }
  return rows
}
