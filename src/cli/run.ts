/** `tidemark run`: starts the script with tidemark inside, outlives it, and says what grew. */

import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { TidemarkError } from '../errors.js'
import { conclude } from '../run/conclude.js'
import { createRunFolder, defaultFolder } from '../run/run-folder.js'
import { DEFAULT_SAMPLING, parseSampling, SETTINGS } from '../run/settings.js'
import { formatDuration } from '../units.js'
import { type Command, parse, toInterval, toValue, UsageError } from './command.js'
import { findTarget } from './script.js'
import { forwardSignals } from './signals.js'
import { summarise } from './summary.js'
import { styleFor } from './terminal.js'

const OPTIONS = {
  out: { type: 'string' },
  interval: { type: 'string', default: '1s' },
  sample: { type: 'string', default: DEFAULT_SAMPLING },
  json: { type: 'boolean', default: false },
} as const

const HELP = `tidemark run [options] [--] SCRIPT [ARGS]
tidemark run [options] [--] node FLAGS SCRIPT [ARGS]

Runs a script under Node with tidemark inside. Its stdio, its signals and its exit code stay its own. When it ends,
for whatever reason, tidemark says on stderr what grew and which code allocated it, and leaves a folder with
timeline.ndjson, profile.pb.gz, verdict.json and report.html.

  --out DIR        the folder (default: tidemark-SCRIPT-TIME-PID in the current one)
  --interval TIME  time between two readings (default: 1s; at least 10ms)
  --sample BYTES   mean bytes between two sampled allocations (default: 512KiB; at least 4KiB; off: no profile)
  --json           print the verdict as one line of JSON on stdout, instead of the summary
  -h, --help

Environment: NO_COLOR. Processes that the script starts are not recorded; see tidemark watch for those.
`

const REGISTER = join(__dirname, '../register.js')

export const run: Command = {
  help: HELP,
  async run(words) {
    const { values, script } = splitAtScript(words)
    const interval = toInterval(values.interval)
    const sampling = toValue('--sample', values.sample, parseSampling)
    const target = findTarget(script)
    const folder = createRunFolder(values.out ?? defaultFolder(target.script, new Date(), process.pid))
    const style = styleFor(process.stderr)
    if (process.stderr.isTTY) {
      const every = formatDuration(interval)
      process.stderr.write(`${style('dim', `tidemark: reading memory every ${every} into ${shortPath(folder)}`)}\n`)
    }

    const child = spawn(target.node, ['--require', REGISTER, ...target.words], {
      stdio: 'inherit',
      env: {
        ...process.env,
        [SETTINGS.out]: folder,
        [SETTINGS.interval]: `${interval}ms`,
        [SETTINGS.sample]: String(sampling),
        [SETTINGS.parent]: String(process.pid),
      },
    })
    forwardSignals(child)
    const end = await endOf(child)
    // Decided now: whatever becomes of what is printed below.
    process.exitCode = exitCode(end)

    try {
      const { run, problem } = conclude(folder)
      if (problem) process.stderr.write(`tidemark: ${problem.code}: ${problem.message}\n`)
      if (values.json) process.stdout.write(`${JSON.stringify(run.verdict)}\n`)
      else
        process.stderr.write(
          summarise({ ...run, ended: endWords(end), folder: shortPath(folder), cwd: process.cwd() }, style),
        )
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error
      process.stderr.write(`tidemark: ${error.code}: ${error.message}\n`)
    }
    return exitCode(end)
  },
}

/** tidemark's own options end at the first word that is not one; from there on all belongs to the script. */
function splitAtScript(words: string[]) {
  const { tokens } = parseArgs({ args: words, options: OPTIONS, allowPositionals: true, strict: false, tokens: true })
  const start = tokens.find((token) => token.kind !== 'option')
  const own = words.slice(0, start?.index)
  const script =
    start === undefined ? [] : words.slice(start.kind === 'option-terminator' ? start.index + 1 : start.index)
  const { values } = parse(own, OPTIONS)
  if (script.length === 0) throw new UsageError('SCRIPT is missing')
  return { values, script }
}

interface End {
  code: number | null
  signal: NodeJS.Signals | null
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new TidemarkError('ERR_TIDEMARK_SCRIPT_NOT_FOUND', `cannot start node: ${cause.message}`, { cause }))
    })
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

/** As a shell says it: 128 + the signal's number for a process that a signal killed. */
function exitCode({ code, signal }: End): number {
  return signal === null ? (code ?? 1) : 128 + constants.signals[signal]
}

function endWords({ code, signal }: End): string | undefined {
  if (signal === 'SIGKILL') return 'killed by SIGKILL: unless somebody sent it, by the kernel for want of memory'
  if (signal === 'SIGABRT') return 'aborted by SIGABRT: Node does that when the JS heap reaches its limit'
  if (signal !== null) return `killed by ${signal}`
  return code === 0 ? undefined : `exit code ${code}`
}

function shortPath(folder: string): string {
  const path = relative(process.cwd(), folder)
  return path.startsWith('..') || path === '' ? folder : path
}
