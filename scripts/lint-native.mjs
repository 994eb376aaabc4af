// Format and lint of the C++: clang-format (.clang-format) and clang-tidy (.clang-tidy). `--fix` formats in place.

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { configure } from './cmake.mjs'
import { filesUnder } from './files.mjs'
import { fail, root, run } from './run.mjs'

const files = filesUnder('native', '.h', '.cc')

if (process.argv.includes('--fix')) {
  run('clang-format', ['-i', ...files])
} else {
  run('clang-format', ['--dry-run', '-Werror', ...files])
  // What ships. Tests may waste a copy, and the sanitizers watch them run.
  await tidy(files.filter((path) => path.endsWith('.cc') && !/_(test|fuzz)\.cc$/.test(path)))
}

/** clang-tidy takes seconds a file, so as many at once as there are CPUs. */
async function tidy(sources) {
  const database = configure()
  const queue = [...sources]
  const failed = []
  async function worker() {
    for (let source = queue.shift(); source; source = queue.shift()) {
      const { status, output } = await capture('clang-tidy', ['--quiet', '-p', database, source])
      if (status !== 0) {
        console.error(output)
        failed.push(source)
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  if (failed.length > 0) fail(`clang-tidy: see above for ${failed.sort().join(', ')}`)
}

function capture(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (text) => (output += text))
    child.stderr.on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, output }))
  })
}
