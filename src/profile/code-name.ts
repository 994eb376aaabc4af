/**
 * Reads the names that V8 gives to the code it makes (`JS:*resize /app/thumbs.js:41:16`, `Builtin:ArrayMap`), the same in
 * perf maps and in JIT code events. Where the function's name ends and its file begins is not marked: both may hold spaces,
 * and the file colons, so the last space that a path or URL can follow divides them. Pure.
 */

import { fileURLToPath } from 'node:url'
import type { Frame } from './columns.js'

/** `js`: what was written in JavaScript or WebAssembly; `native`: V8's own code, which has no file. */
export type CodeName = Pick<Frame, 'function' | 'file' | 'line' | 'column' | 'kind'>

/** o: entered in the middle of a loop; ~ interpreted, ^ baseline, + and * optimized, ' without its context. Also none. */
const TIER = /^(?:o?[~^+*]'?)?/
const POSITION = /:(\d+):(\d+)$/
const FILE_STARTS = / (?=\/|node:|[a-z][a-z\d+.-]*:\/\/|\[worker eval\])/g
const WASM = /^(.*)-\d+-(?:liftoff|turbofan)$/
const REGEXP = /^RegExp[:.](?:[<>] src: '(.*)' flags: '(\w*)'|(.*))$/s

export function parseCodeName(name: string): CodeName {
  const colon = name.indexOf(':')
  const tag = name.slice(0, colon)
  if (tag === 'JS' || tag === 'Eval' || tag === 'Script') return parseFunction(name.slice(colon + 1).replace(TIER, ''))
  const regexp = REGEXP.exec(name)
  if (regexp) return v8Code(`RegExp /${regexp[1] ?? regexp[3]}/${regexp[2] ?? ''}`)
  return v8Code(tag === 'Builtin' || tag === 'BytecodeHandler' || tag === 'Stub' ? name.slice(colon + 1) : name)
}

/** As people know it: what is nameless is called what it is. The code of a module or script begins at 1:1. */
export function functionName(name: string, line: number, column: number): string {
  if (name !== '') return name
  return line === 1 && column === 1 ? '(top level)' : '(anonymous)'
}

/** The path of a `file:` URL, as modules have; everything else as it is. */
export function scriptPath(script: string): string {
  if (!script.startsWith('file://')) return script
  try {
    return fileURLToPath(script)
  } catch {
    return script // with a host, or an encoded slash: no file of this machine
  }
}

function parseFunction(text: string): CodeName {
  const wasm = WASM.exec(text)
  if (wasm) return { function: `${wasm[1]} (wasm)`, file: '', line: 0, column: 0, kind: 'js' }
  const position = POSITION.exec(text)
  const before = position ? text.slice(0, position.index) : text
  const starts = [...before.matchAll(FILE_STARTS)]
  const space = starts.at(-1)?.index ?? before.lastIndexOf(' ')
  const line = Number(position?.[1] ?? 0)
  const column = Number(position?.[2] ?? 0)
  // V8 cuts long names: without its end, and so without a position, what has no space is a function.
  const [called, script] = space < 0 ? [before, ''] : [before.slice(0, space), before.slice(space + 1)]
  return { function: functionName(called, line, column), file: scriptPath(script), line, column, kind: 'js' }
}

function v8Code(name: string): CodeName {
  return { function: name, file: '', line: 0, column: 0, kind: 'native' }
}
