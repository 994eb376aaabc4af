/**
 * `npm run bench -- NAME`: measures and prints a table in Markdown. Ends with 0 whatever the numbers say: what a shared
 * machine measures is for people to judge.
 */

import { buildAddons } from './floors.js'
import { ledger } from './ledger.js'
import { load, machine } from './machine.js'
import { readings } from './readings.js'
import { sampling } from './sampling.js'
import { markdown } from './table.js'

const BENCHMARKS = { readings, sampling, ledger }

async function main(name: string | undefined): Promise<void> {
  const benchmark = BENCHMARKS[name as keyof typeof BENCHMARKS]
  if (benchmark === undefined) {
    console.error(`npm run bench -- NAME, NAME being one of: ${Object.keys(BENCHMARKS).join(', ')}`)
    return
  }
  buildAddons()
  const before = load()
  const rows = await benchmark((what) => console.error(`measuring ${what} …`))
  console.log(
    `${machine()}, load ${before} before and ${load()} after. Medians of paired rounds, quartiles in brackets.\n`,
  )
  console.log(markdown(rows))
}

main(process.argv[2])
