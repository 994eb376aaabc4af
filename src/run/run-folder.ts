/** The run folder: what a run leaves behind, and how it is named and made. */

import { closeSync, openSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { makeFolder } from './make-folder.js'
import { cannotWrite } from './timeline.js'

export const TIMELINE = 'timeline.ndjson'
export const PROFILE = 'profile.pb.gz'
export const VERDICT = 'verdict.json'
export const REPORT = 'report.html'

/** `tidemark-server-20260501T123005Z-4242`: no colons, which shells and archives dislike in names. */
export function defaultFolder(script: string, at: Date, pid: number): string {
  const name =
    basename(script, extname(script))
      .replace(/[^\w.-]+/g, '_')
      .slice(0, 60) || 'run'
  const iso = at.toISOString().replace(/[-:]|\.\d+/g, '')
  return `tidemark-${name}-${iso}-${pid}`
}

/**
 * Makes the folder, and its timeline so that a folder that cannot be written is known before the script starts.
 * What an earlier run left in it stays. Returns the absolute path.
 * @throws {TidemarkError} `ERR_TIDEMARK_OUT_WRITE`
 */
export function createRunFolder(folder: string): string {
  const path = resolve(folder)
  try {
    makeFolder(path)
    closeSync(openSync(join(path, TIMELINE), 'a'))
  } catch (error) {
    throw cannotWrite(path, error)
  }
  return path
}
