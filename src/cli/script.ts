/** Which Node binary, with which words, runs the script that `tidemark run` was given. */

import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { TidemarkError } from '../errors.js'

export interface Target {
  /** The Node binary. */
  node: string
  /** Its words: the user's flags, the script, the script's arguments. */
  words: string[]
  /** The script as given; names the run folder. */
  script: string
}

/**
 * `words` is what follows `tidemark run`: a script and its arguments, or a node command (`node FLAGS SCRIPT …`).
 * @throws {TidemarkError} `ERR_TIDEMARK_SCRIPT_NOT_FOUND` if the script, or the Node binary, is not there
 */
export function findTarget(words: string[]): Target {
  const [first = ''] = words
  if (NODE_NAMES.has(basename(first))) {
    const flagsAndScript = words.slice(1)
    return { node: findBinary(first), words: flagsAndScript, script: scriptAmong(flagsAndScript) }
  }
  if (!resolves(first)) throw scriptNotFound(first)
  return { node: process.execPath, words, script: first }
}

const NODE_NAMES = new Set(['node', 'nodejs'])

function findBinary(name: string): string {
  const candidates = name.includes('/')
    ? [resolve(name)]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  throw new TidemarkError(
    'ERR_TIDEMARK_SCRIPT_NOT_FOUND',
    `there is no executable ${name}: give its full path, or leave it out to use the Node that runs tidemark`,
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Flags of node whose value may be the next word. */
const FLAGS_WITH_VALUE = new Set(
  `-r --require --import --loader --experimental-loader -C --conditions --env-file --env-file-if-exists --input-type
   --title --icu-data-dir --openssl-config --inspect-port --debug-port --cpu-prof-dir --cpu-prof-name
   --cpu-prof-interval --heap-prof-dir --heap-prof-name --heap-prof-interval --diagnostic-dir --redirect-warnings
   --disable-warning --dns-result-order --unhandled-rejections --tls-keylog --trace-event-categories
   --trace-event-file-pattern --watch-path --snapshot-blob --build-snapshot-config --stack-trace-limit
   --max-http-header-size --secure-heap --secure-heap-min --experimental-default-type --heapsnapshot-signal
   --heapsnapshot-near-heap-limit --report-dir --report-directory --report-filename --report-signal
   --test-name-pattern --test-reporter --test-reporter-destination --test-concurrency --test-timeout
   --experimental-sea-config --localstorage-file --allow-fs-read --allow-fs-write`.split(/\s+/),
)

const INSTEAD_OF_SCRIPT = /^(-e|-p|-pe|--eval|--print|-i|--interactive|--test|--run|-)(=|$)/

/** Node itself knows its flags; here only the script is looked for, and doubt is left to node. */
function scriptAmong(words: string[]): string {
  let doubtful = false
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (INSTEAD_OF_SCRIPT.test(word)) return word === '-' ? 'stdin' : word.replace(/^-+|=.*$/g, '')
    if (FLAGS_WITH_VALUE.has(word)) {
      i++
    } else if (word.startsWith('-') && word !== '--') {
      // A flag of a later Node may take the next word as its value.
      doubtful = !word.includes('=')
    } else if (word !== '--') {
      if (!resolves(word) && !doubtful) throw scriptNotFound(word)
      return word
    }
  }
  return 'stdin'
}

/** As node finds its main script: `app` may be app.js, or a folder with a package.json or an index.js. */
function resolves(script: string): boolean {
  if (script === '-') return true
  try {
    require.resolve(resolve(script))
    return true
  } catch {
    return false
  }
}

function scriptNotFound(script: string): TidemarkError {
  return new TidemarkError(
    'ERR_TIDEMARK_SCRIPT_NOT_FOUND',
    `there is no script ${resolve(script)}: give a script (tidemark run app.js) or a node command (tidemark run -- node app.js)`,
  )
}
