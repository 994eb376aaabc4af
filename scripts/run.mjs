// Starts the tools that the other scripts are made of.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a command to its end from the root, its output going where ours goes; ends this process too when it fails. */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error?.code === 'ENOENT') fail(`${command} is not installed: ./scripts/test lists what a checkout needs`)
  if (error?.code === 'ETIMEDOUT') fail(`${command} did not end within ${options.timeout / 1000} s`)
  if (error) throw error
  if (status !== 0) fail(`${command} ended with ${signal ?? status}`)
}

export function fail(message) {
  console.error(message)
  process.exit(1)
}
