/** `tidemark watch`: the memory of any process, from outside, while it runs. */

import { readFileSync } from 'node:fs'
import type { TidemarkError } from '../errors.js'
import type { Verdict } from '../growth/verdict.js'
import { watch as startWatch, type Watch } from '../growth/watch.js'
import { OWNERS, type Owner } from '../owners.js'
import { printable } from '../printable.js'
import type { Reading } from '../readings/reading.js'
import { History } from '../report/history.js'
import { headline } from '../report/wording.js'
import { formatBytes } from '../units.js'
import { type Command, expectWords, parse, toInterval, toPid, UsageError } from './command.js'
import { LiveBlock } from './live-block.js'
import { summarise } from './summary.js'
import { styleFor } from './terminal.js'

const HELP = `tidemark watch [options] PID

Reads the memory of a process of any language from outside, until Ctrl-C or its end, and says what grew. On a
terminal the picture is redrawn in place; into a pipe goes one line a reading.

  --interval TIME  time between two readings (default: 1s; at least 10ms)
  --seconds N      stop after N seconds
  --json           one reading as JSON a line on stdout
  -h, --help

Needs the same user as the process, or CAP_SYS_PTRACE.
`

const OPTIONS = {
  interval: { type: 'string', default: '1s' },
  seconds: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

export const watch: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, OPTIONS)
    const pid = toPid(expectWords(positionals, 'PID').PID)
    const intervalMs = toInterval(values.interval)
    const ms = values.seconds === undefined ? LONGEST_MS : toMs(values.seconds)

    const history = new History()
    const watching = startWatch({ pid, intervalMs })
    const view = values.json ? jsonLines : process.stdout.isTTY ? livePicture(pid, history) : textLines()
    watching.on('reading', (reading) => {
      history.add(reading)
      view.show(reading, watching.verdict())
    })
    const error = await endOf(watching, ms)
    watching.stop()
    view.end()

    const gone = error !== null && history.count > 0 && GONE.has(error.code)
    if (error && !gone) throw error
    const ended = gone ? `process ${pid} has ended` : undefined
    process.stderr.write(summarise({ verdict: watching.verdict(), history, ended }, styleFor(process.stderr)))
    return 0
  },
}

/** As long as a timer can be. */
const LONGEST_MS = 2 ** 31 - 1

/** A process that has exited keeps its pid, without memory, until its parent has taken note. */
const GONE = new Set<string>(['ERR_TIDEMARK_NO_PROCESS', 'ERR_TIDEMARK_KERNEL_THREAD'])

function toMs(seconds: string): number {
  const ms = /^\d+(\.\d+)?$/.test(seconds) ? Number(seconds) * 1000 : 0
  if (ms <= 0 || ms > LONGEST_MS) throw new UsageError(`--seconds: '${seconds}' is not a number of seconds`)
  return ms
}

/** Resolves at Ctrl-C, after `ms`, or with what ended the watch. A watch keeps no process alive; the timer does. */
function endOf(watching: Watch, ms: number): Promise<TidemarkError | null> {
  return new Promise((resolve) => {
    const stop = (error: TidemarkError | null) => {
      clearTimeout(timer)
      resolve(error)
    }
    const timer = setTimeout(() => stop(null), ms)
    process.once('SIGINT', () => stop(null))
    process.once('SIGTERM', () => stop(null))
    watching.on('error', stop)
  })
}

interface View {
  show(reading: Reading, verdict: Verdict): void
  end(): void
}

const jsonLines: View = {
  show: (reading) => process.stdout.write(`${JSON.stringify(reading)}\n`),
  end() {},
}

function textLines(): View {
  let said: string | undefined
  return {
    show(reading, verdict) {
      const time = clock(reading.t)
      process.stdout.write(`${time}  ${readingWords(reading)}\n`)
      const verdictLine = `${verdict.kind}: ${headline(verdict)}`
      // The rate in a headline changes with every reading; its kind is news.
      if (said !== undefined && said !== verdict.kind) process.stdout.write(`${time}  ${verdictLine}\n`)
      said = verdict.kind
    },
    end() {},
  }
}

const MOST_OWNERS = 4

function readingWords({ rss, anon, swap, owners }: Reading): string {
  const biggest = OWNERS.filter((owner) => (owners[owner] ?? 0) > 0)
    .sort((a, b) => owners[b]! - owners[a]!)
    .slice(0, MOST_OWNERS)
  const amounts: [string, number][] = [
    ['rss', rss],
    ['anon', anon],
    ['swap', swap],
    ...biggest.map((owner): [Owner, number] => [owner, owners[owner]!]),
  ]
  return amounts.map(([name, bytes]) => `${name} ${formatBytes(bytes).padEnd(8)}`).join('  ')
}

function clock(t: number): string {
  return new Date(t).toTimeString().slice(0, 8)
}

function livePicture(pid: number, history: History): View {
  const style = styleFor(process.stdout)
  const block = new LiveBlock(process.stdout)
  const name = commandLine(pid)
  return {
    show(reading, verdict) {
      const title = `${clock(reading.t)}  watching ${pid} ${name}, Ctrl-C ends`
      block.draw(`${style('dim', title)}\n${summarise({ verdict, history }, style)}`)
    },
    end: () => block.clear(),
  }
}

function commandLine(pid: number): string {
  try {
    return printable(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0/g, ' ').trim()).slice(0, 60)
  } catch {
    return ''
  }
}
