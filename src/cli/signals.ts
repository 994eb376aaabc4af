/** Hands signals on to the script, and lets the command line outlive them, so that it can say what was found. */

import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'

const FORWARDED: NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']
const FROM_KEYBOARD = new Set<NodeJS.Signals>(['SIGINT', 'SIGQUIT'])

/** Until the process ends: a second Ctrl-C while the report is written must not lose it. */
export function forwardSignals(child: ChildProcess): void {
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (FROM_KEYBOARD.has(signal) && terminalTellsAll()) return
      child.kill(signal)
    })
  }
}

function terminalTellsAll(): boolean {
  try {
    return inForeground(readFileSync('/proc/self/stat', 'utf8'))
  } catch {
    return process.stdin.isTTY // no /proc here: the next best sign
  }
}

/**
 * Whether this process belongs to the terminal's foreground group, from the text of /proc/self/stat. Then Ctrl-C
 * went to the script as well; handing it on would press it twice, which many services take as "stop at once".
 * Whether stdin is a terminal says nothing of that: `tidemark run app.js < data` still hears Ctrl-C.
 */
export function inForeground(stat: string): boolean {
  // The name, field 2, may hold spaces and parentheses; what follows its last ")" is plain.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group === foreground
}
