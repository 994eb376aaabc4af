/** Decides what the calls between a site and the allocator give away: zlib streams, listeners, timers and the like. Pure. */

import type { Site, StackFrame } from './verdict.js'

interface Hint {
  shows: (frame: StackFrame) => boolean
  advice: string
}

/** V8 names some methods with their class: `EventEmitter.addListener`. */
const nodeFile = (files: RegExp, functions: RegExp) => (frame: StackFrame) =>
  frame.kind === 'js' && files.test(frame.file) && functions.test(frame.function.replace(/^.*\./, ''))
/** V8's own functions have no file. */
const builtin = (functions: RegExp) => (frame: StackFrame) =>
  frame.kind === 'native' && frame.file === '' && functions.test(frame.function)
const native = (functions: RegExp) => (frame: StackFrame) => frame.kind === 'native' && functions.test(frame.function)
const any =
  (...shown: Hint['shows'][]) =>
  (frame: StackFrame) =>
    shown.some((shows) => shows(frame))

/** The first that a stack shows is said. */
const HINTS: Hint[] = [
  {
    // Its own native memory only: the Buffers that node:zlib returns are kept by whoever called it.
    shows: native(/\bCompressionStream\b|\bAllocForZlib\b|\bAllocForBrotli\b/),
    advice:
      'It is the memory of zlib streams that were not closed: a stream that compresses holds 256 KiB until it ends or close() is called, which an error or a client that went away does not do.',
  },
  {
    shows: nodeFile(/^node:internal\/worker$/, /^Worker$/),
    advice: 'Workers are started there: reuse them, and terminate() those that are done.',
  },
  {
    shows: nodeFile(
      /^node:(?:events|internal\/event_target)$/,
      /^(?:_?addListener|on|once|prependListener|addEventListener)$/,
    ),
    advice:
      'Listeners are added there, and each keeps what its function refers to: remove them with what they were added for (off(), { once: true }, an AbortSignal).',
  },
  {
    shows: nodeFile(/^node:(?:internal\/)?timers$/, /^(?:setInterval|setTimeout|setImmediate|Timeout|Immediate)$/),
    advice:
      'Timers are started there, and each keeps what its function refers to until clearInterval() or clearTimeout() ends it.',
  },
  {
    shows: any(builtin(/^(?:eval|Function)$/), nodeFile(/^node:(?:vm|internal\/vm)$/, /./)),
    advice:
      'Code is compiled there at run time (eval, new Function, node:vm): compile each source once, and keep the function.',
  },
  {
    shows: nodeFile(/^node:buffer$/, /^createPool$/),
    advice:
      'Small Buffers are slices of a pool (Buffer.poolSize), and one that is kept keeps all of its pool: keep copies made with Buffer.alloc() or Buffer.allocUnsafeSlow().',
  },
  {
    shows: builtin(/^(?:set|add)$/),
    advice: 'A Map or Set grows there: bound it, by number of entries (the least recently used goes) or by age.',
  },
]

/** What to do, where the stacks of `sites` say more than who; '' where they do not. */
export function hintOf(sites: Site[]): string {
  for (const site of sites) {
    const called = calledBy(site)
    const hint = HINTS.find(({ shows }) => called.some(shows))
    if (hint) return hint.advice
  }
  return ''
}

/** The site itself and what it called. Its callers show nothing: a timer calls much that does not start timers. */
function calledBy({ function: name, file, line, stack }: Site): StackFrame[] {
  const at = stack.findIndex((frame) => frame.function === name && frame.file === file && frame.line === line)
  return stack.slice(0, at + 1)
}
