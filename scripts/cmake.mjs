// The developer build: CMakeLists.txt through cmake-js, with clang, which is also what tidies and fuzzes.
// One folder for each sanitizer, so that going from one to the other rebuilds nothing.

import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { root, run } from './run.mjs'

const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')

/** Writes compile_commands.json without building; returns the folder it is in. */
export function configure(sanitize = 'address') {
  return cmake('configure', sanitize)
}

/** Builds the unit tests and the fuzzers; returns the folder they are in. */
export function buildChecks(sanitize = 'address') {
  return cmake('build', sanitize, ['--target', 'checks', '--parallel', String(availableParallelism())])
}

function cmake(command, sanitize, args = []) {
  const out = join(root, 'out/native', sanitize)
  const where = ['--directory', root, '--out', out, '--debug', '--log-level', 'warn']
  const compiler = ['--cc', 'clang', '--cxx', 'clang++']
  const options = ['--CDTIDEMARK_CHECKS=ON', `--CDTIDEMARK_SANITIZE=${sanitize}`]
  run(process.execPath, [cmakeJs, command, ...where, ...compiler, ...options, ...args])
  return out
}
