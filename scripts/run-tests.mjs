// Runs the compiled tests: `npm test -- [--node PATH] [--jobs N] [path…]`, a path being a folder or a part of a name under test/.
// Node 20 does not expand globs for --test, and out/ may hold tests whose source is gone: the sources decide.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { filesUnder } from './files.mjs'
import { fail, root, run } from './run.mjs'

const { values, positionals } = parseArgs({
  options: { node: { type: 'string', default: process.execPath }, jobs: { type: 'string', default: '1' } },
  allowPositionals: true,
})
if (!/^[1-9]\d*$/.test(values.jobs)) fail(`--jobs is a number of test files, not ${values.jobs}`)
const sources = filesUnder('test', '.test.ts').filter(
  (path) => positionals.length === 0 || positionals.some((part) => path.includes(part)),
)
const files = sources.map((path) => `out/${path.replace(/\.ts$/, '.js')}`)
const missing = files.filter((path) => !existsSync(join(root, path)))

if (files.length === 0) fail(`no test matches ${positionals.join(' ')}`)
if (missing.length > 0) fail(`not compiled: ${missing.join(', ')}; run \`npx tsc -b\``)

// One file at a time unless told otherwise: verdicts of real programs are the surer the less the machine does besides. A file
// that hangs fails after three minutes.
const concurrency = `--test-concurrency=${values.jobs}`
run(values.node, ['--test', concurrency, '--test-timeout=180000', '--test-reporter=spec', ...files])
