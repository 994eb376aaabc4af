/**
 * Makes a folder and all that are above it. Node's own way, `recursive`, asks again for ever where a file system answers
 * ENOENT though the folder above is there, as /proc does: the service would never start.
 */

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from '../errors.js'

/** @param path absolute. Throws what mkdir throws, also where something else has that name. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    const above = dirname(path)
    if (code !== 'ENOENT' || existsSync(above)) throw error
    makeFolder(above)
    mkdirSync(path)
  }
}
