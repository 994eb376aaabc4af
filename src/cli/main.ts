#!/usr/bin/env node
/** The command line: finds the command, runs it, and turns what went wrong into words and an exit code. */

import { errorCode, TidemarkError } from '../errors.js'
import { version } from '../version.js'
import { type Command, HelpRequest, UsageError } from './command.js'

const HELP = `tidemark: which memory of a process grew, who grew it, and is it a leak?

  tidemark run [options] SCRIPT [ARGS]   run a Node script, record its memory, say what grew
  tidemark watch PID                     watch the memory of any process from outside
  tidemark maps PID                      the mappings of a process, like pmap
  tidemark diff A B                      what changed between two saved \`tidemark maps PID --json\`
  tidemark report DIR                    the verdict of an earlier run, from its folder
  tidemark export PROFILE --to FORMAT    a profile for other tools: flame graphs, Chrome DevTools, speedscope
  tidemark status [PID]                  what tidemark can see here, and what is missing

  tidemark COMMAND --help                the options of a command
  tidemark --version

Exit codes: the script's own for run (128 + signal if it was killed), 0 fine, 1 it could not, 2 wrong usage.
`

/** Loaded one at a time: a run must not pay for the code of the others. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  run: async () => (await import('./run.js')).run,
  watch: async () => (await import('./watch.js')).watch,
  maps: async () => (await import('./maps.js')).maps,
  diff: async () => (await import('./diff.js')).diff,
  report: async () => (await import('./report.js')).report,
  export: async () => (await import('./export.js')).exportProfile,
  status: async () => (await import('./status.js')).status,
}

async function main(words: string[]): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined) {
    process.stderr.write(HELP)
    return 2
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`)
    return 0
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!load) {
    const what = name.startsWith('-') ? 'option' : 'command'
    process.stderr.write(`tidemark: unknown ${what} '${name}'; see tidemark --help\n`)
    return 2
  }
  const command = await load()
  try {
    return await command.run(rest)
  } catch (error) {
    if (error instanceof HelpRequest) {
      process.stdout.write(command.help)
      return 0
    }
    if (error instanceof UsageError) {
      process.stderr.write(`tidemark ${name}: ${error.message}; see tidemark ${name} --help\n`)
      return 2
    }
    if (error instanceof TidemarkError) {
      process.stderr.write(`tidemark ${name}: ${error.code}: ${error.message}\n`)
      return 1
    }
    throw error
  }
}

// `tidemark maps 42 | head` ends quietly, with the exit code that was already decided; a full disk is said.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  process.stderr.write(
    `tidemark: ERR_TIDEMARK_OUT_WRITE: cannot write to stdout (${errorCode(error)}): free some space, or send it elsewhere\n`,
  )
  process.exit(process.exitCode || 1)
})

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
