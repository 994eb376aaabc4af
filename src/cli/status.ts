/** `tidemark status`: what tidemark can see here, and what is missing. */

import { listenToCode, testStacks } from '../profile/code-names.js'
import { limitWords } from '../report/wording.js'
import { type ProcessStatus, processStatus, status as readStatus } from '../status.js'
import { type Command, expectWords, parse, toPid } from './command.js'

const NAME_WIDTH = 16

const HELP = `tidemark status [options] [PID]

Says what tidemark can see on this machine and what is missing, each with its reason; with a PID also whether that
process can be read (exit code 1 if not).

  --json      as JSON on stdout
  -h, --help
`

export const status: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, { json: { type: 'boolean', default: false } })
    const pid = positionals.length === 0 ? null : toPid(expectWords(positionals, 'PID').PID)
    // Found out by trying: a build of Node may have no frame pointers, or no names of its code.
    listenToCode('small')
    testStacks()
    const here = readStatus()
    const there = pid === null ? null : await processStatus(pid)
    if (values.json) {
      process.stdout.write(`${JSON.stringify(there ? { ...here, process: there } : here, null, 2)}\n`)
    } else {
      const rows: [string, string][] = [
        ['tidemark', `${here.tidemark} on Node ${here.node}, ${here.system}`],
        ['addon', here.addon.problem ?? 'loaded'],
        ['libc', here.capabilities.libc],
        ['allocator', here.capabilities.allocator],
        ...Object.entries(here.readings),
        ['stacks', here.profiler.stacks],
        ['limit', limitWords({ ...here.limit, reachedInMs: null })],
      ]
      if (there) rows.push([`process ${there.pid}`, problemWords(there.problem) ?? 'can be read'])
      if (there?.limit) rows.push(['its limit', limitWords({ ...there.limit, reachedInMs: null })])
      for (const [name, value] of rows) process.stdout.write(`${name.padEnd(NAME_WIDTH)}${value}\n`)
    }
    return there?.readable === false ? 1 : 0
  },
}

function problemWords(problem: ProcessStatus['problem']): string | null {
  return problem && `${problem.code}: ${problem.message}`
}
