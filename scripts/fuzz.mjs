// Fuzzes every parser for a bounded time: `npm run fuzz -- [seconds for each] [name…]`.
// native/FLOOR/NAME_fuzz.cc starts from the real files in test/fixtures/NAME, where there are any. What it learns stays in out/fuzz/NAME
// for the next run; an input that breaks a parser is written to out/fuzz/NAME-*, and belongs in test/fixtures/NAME.

import { existsSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { buildChecks } from './cmake.mjs'
import { filesUnder } from './files.mjs'
import { root, run } from './run.mjs'

const [seconds = '15', ...wanted] = process.argv.slice(2)
const names = filesUnder('native', '_fuzz.cc').map((path) => basename(path, '_fuzz.cc'))
const folder = buildChecks('address')

for (const name of names.filter((name) => wanted.length === 0 || wanted.includes(name))) {
  const learnt = join(root, 'out/fuzz', name)
  mkdirSync(learnt, { recursive: true })
  run(join(folder, `${name}_fuzz`), [
    `-max_total_time=${seconds}`,
    // Seconds for one input: a parser that hangs is as broken as one that crashes.
    '-timeout=10',
    '-max_len=65536',
    '-rss_limit_mb=1024',
    '-verbosity=0',
    '-print_final_stats=1',
    `-artifact_prefix=${learnt}-`,
    learnt,
    // What takes bytes of its own making has no real files to start from.
    ...[join(root, 'test/fixtures', name)].filter(existsSync),
  ])
}
