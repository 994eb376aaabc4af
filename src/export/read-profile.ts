/** Opens a profile, whichever of the formats it is in: by what the bytes say, never by the name of the file. */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { errorCode, TidemarkError } from '../errors.js'
import type { ProfileColumns } from '../profile/columns.js'
import { Profile } from '../profile/profile.js'
import { PROFILE } from '../run/run-folder.js'
import { ProfileProblem } from './profile-problem.js'
import { readHeapProfile } from './read-heapprofile.js'
import { readPprof } from './read-pprof.js'

/** 256 MiB, compressed or not: a hundred times a large profile, and what a small file may at most unpack to. */
const MOST_BYTES = 2 ** 28

/**
 * Reads pprof or a .heapprofile; of a folder that `tidemark run` made, its profile.
 * @throws {TidemarkError} `ERR_TIDEMARK_FILE` if there is nothing to read, `ERR_TIDEMARK_PROFILE` if it is no profile of memory
 */
export function readProfile(path: string): Profile {
  const { file, bytes } = open(path)
  try {
    return new Profile(decode(bytes))
  } catch (cause) {
    if (!(cause instanceof ProfileProblem)) throw cause
    throw new TidemarkError(
      'ERR_TIDEMARK_PROFILE',
      `cannot read ${file}: ${cause.message}; give a pprof of memory, compressed or not, or a .heapprofile of V8`,
      { cause },
    )
  }
}

function open(path: string): { file: string; bytes: Buffer } {
  let file = path
  try {
    if (statSync(path).isDirectory()) file = join(path, PROFILE)
    const { size } = statSync(file)
    if (size > MOST_BYTES) throw new TidemarkError('ERR_TIDEMARK_PROFILE', `cannot read ${file}: ${tooLarge()}`)
    return { file, bytes: readFileSync(file) }
  } catch (cause) {
    if (cause instanceof TidemarkError) throw cause
    if (file !== path && errorCode(cause) === 'ENOENT') {
      throw new TidemarkError(
        'ERR_TIDEMARK_FILE',
        `there is no ${PROFILE} in ${path}: it is no folder of a run, or the run ended within its first second, or --sample was off`,
        { cause },
      )
    }
    throw new TidemarkError(
      'ERR_TIDEMARK_FILE',
      `cannot read ${file} (${errorCode(cause)}): give a profile, or a folder made by tidemark run`,
      { cause },
    )
  }
}

function decode(bytes: Buffer): ProfileColumns {
  const message = isGzip(bytes) ? unpack(bytes) : bytes
  if (message.length === 0) throw new ProfileProblem('it is empty')
  return isJson(message) ? readHeapProfile(message.toString()) : readPprof(message)
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** pprof never begins so: as a tag this is field 15, of a type that it does not have. */
function isJson(bytes: Buffer): boolean {
  return bytes.subarray(0, 64).toString('latin1').trimStart().startsWith('{')
}

function unpack(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_BYTES })
  } catch (error) {
    const code = errorCode(error)
    throw new ProfileProblem(code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge() : `its compression is damaged (${code})`)
  }
}

function tooLarge(): string {
  return `it has more than ${MOST_BYTES / 2 ** 20} MiB`
}
