/**
 * Loads the addon, and is the only module that does.
 * Where there is no addon for this machine the same interface is served from Node's own numbers, and
 * `addonProblem` says why; nothing above this file branches on it.
 */

import { join } from 'node:path'
import { isMainThread, threadId } from 'node:worker_threads'
import { fallbackBinding } from './fallback.js'
import { type Binding, OUT } from './seam.js'

/** What hot readings write to; see OUT. */
export const out = new Float64Array(OUT.length)

/** [0] is the id of the region that runs on this thread now; 0 is none. Native code reads the same word. */
export const regionWord = new Int32Array(1)

function load(): { binding: Binding; problem: string | null } {
  if (process.platform !== 'linux') {
    return { binding: fallbackBinding(out), problem: `tidemark reads Linux's /proc; this is ${process.platform}` }
  }
  try {
    const find = require('node-gyp-build') as (root: string) => Binding
    return { binding: find(join(__dirname, '..')), problem: null }
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return { binding: fallbackBinding(out), problem: `the native addon could not be loaded: ${reason}` }
  }
}

const loaded = load()

export const binding: Binding = loaded.binding

/** Why the addon is not in use; null when it is. */
export const addonProblem: string | null = loaded.problem

binding.share(out, regionWord)
if (!isMainThread) binding.nameThread(`worker ${threadId}`)
