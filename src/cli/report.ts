/** `tidemark report`: the verdict of an earlier run, made again from its timeline. */

import { conclude } from '../run/conclude.js'
import { type Command, expectWords, parse } from './command.js'
import { summarise } from './summary.js'
import { styleFor } from './terminal.js'

const HELP = `tidemark report [options] DIR

Reads the timeline in a folder made by tidemark run or tidemark/register, writes its verdict.json and report.html
again, and says on stderr what grew. Works for runs that were killed, and while a run still goes on.

  --json      print the verdict as one line of JSON on stdout, instead of the summary
  -h, --help
`

export const report: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, { json: { type: 'boolean', default: false } })
    const { DIR: folder } = expectWords(positionals, 'DIR')
    const { run, problem } = conclude(folder)
    if (values.json) process.stdout.write(`${JSON.stringify(run.verdict)}\n`)
    else process.stderr.write(summarise({ ...run, folder, cwd: process.cwd() }, styleFor(process.stderr)))
    if (problem) process.stderr.write(`tidemark: ${problem.code}: ${problem.message}\n`)
    return problem ? 1 : 0
  },
}
