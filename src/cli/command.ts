/** What a command of the command line is, and how its words are read. */

import { type ParseArgsConfig, parseArgs } from 'node:util'
import { TidemarkError } from '../errors.js'
import { parseDuration } from '../units.js'

export interface Command {
  help: string
  /** Resolves with the exit code: 0 fine, 1 it could not. */
  run(words: string[]): Promise<number>
}

/** The words were wrong: said to stderr with the way to the help, exit code 2. */
export class UsageError extends Error {}

/** Thrown by `parse` at `--help`, which wins over whatever else is wrong. */
export class HelpRequest extends Error {}

const HELP = { help: { type: 'boolean', short: 'h' } } as const

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>>

/**
 * Reads options and positional words.
 * @throws {UsageError} naming the word that is wrong
 */
export function parse<O extends Options>(words: string[], options: O): Parsed<O> {
  const accepted = { ...options, ...HELP }
  if (parseArgs({ args: words, options: accepted, allowPositionals: true, strict: false }).values.help) {
    throw new HelpRequest()
  }
  try {
    return parseArgs({ args: words, options: accepted, allowPositionals: true, strict: true }) as unknown as Parsed<O>
  } catch (error) {
    throw new UsageError(parseArgsProblem(error as Error))
  }
}

/** Node's message up to where it starts to guess: "Unknown option '--foo'. To specify a positional argument …" */
function parseArgsProblem(error: Error): string {
  const [fact = error.message] = error.message.split(/\. |\n/)
  return fact.charAt(0).toLowerCase() + fact.slice(1)
}

/** The positional words by name; as many as there are names, no more. */
export function expectWords<N extends string>(words: string[], ...names: N[]): Record<N, string> {
  const missing = names[words.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = words[names.length]
  if (extra !== undefined) throw new UsageError(`'${extra}' is one word too many`)
  return Object.fromEntries(names.map((name, i) => [name, words[i]])) as Record<N, string>
}

export function toPid(word: string): number {
  const pid = /^\d{1,10}$/.test(word) ? Number(word) : 0
  if (pid < 1 || pid > 2 ** 31 - 1) throw new UsageError(`'${word}' is not a process id`)
  return pid
}

/** Runs a parser of units.ts; what it refuses is a usage error that names the option. */
export function toValue<T>(option: string, word: string, parser: (word: string) => T): T {
  try {
    return parser(word)
  } catch (error) {
    if (error instanceof TidemarkError) throw new UsageError(`${option}: ${error.message}`)
    throw error
  }
}

/** More often than this, the readings are what is measured. */
const SHORTEST_INTERVAL_MS = 10

export function toInterval(word: string): number {
  const ms = toValue('--interval', word, parseDuration)
  if (ms < SHORTEST_INTERVAL_MS) throw new UsageError(`--interval: '${word}' is shorter than ${SHORTEST_INTERVAL_MS}ms`)
  return ms
}
