// Builds and runs the native unit tests under a sanitizer: `npm run test:native -- [address|thread] [GoogleTest flags]`.

import { join } from 'node:path'
import { buildChecks } from './cmake.mjs'
import { run } from './run.mjs'

const [sanitize = 'address', ...flags] = process.argv.slice(2)

// They take seconds: after five minutes one hangs.
run(join(buildChecks(sanitize), 'unit_tests'), flags, { timeout: 300_000, killSignal: 'SIGKILL' })
