/** How `tidemark run` talks to the process it starts, and how a user of tidemark/register sets all but the last. */

import { TidemarkError } from '../errors.js'
import { formatBytes, parseBytes } from '../units.js'

export const SETTINGS = {
  out: 'TIDEMARK_OUT',
  interval: 'TIDEMARK_INTERVAL',
  sample: 'TIDEMARK_SAMPLE',
  /** Pid of the `tidemark run` that waits for the process and concludes the run. */
  parent: 'TIDEMARK_PARENT',
} as const

export const DEFAULT_SAMPLING = '512KiB'

/** Below this a sample comes every few allocations, and costs more than what it measures. */
const SHORTEST_SAMPLING_BYTES = 4096

/** More than any process allocates between two readings: no sample would ever be taken. */
const LONGEST_SAMPLING_BYTES = 2 ** 30

/**
 * The sampling interval in bytes from `512KiB`, `65536`; 0 from `0` and `off`, which sample nothing.
 * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT`
 */
export function parseSampling(text: string): number {
  if (text.trim().toLowerCase() === 'off') return 0
  const bytes = parseBytes(text)
  if (bytes === 0) return 0
  if (bytes >= SHORTEST_SAMPLING_BYTES && bytes <= LONGEST_SAMPLING_BYTES) return bytes
  throw new TidemarkError(
    'ERR_TIDEMARK_ARGUMENT',
    `'${text}' is no sampling interval: write ${formatBytes(SHORTEST_SAMPLING_BYTES)} to ${formatBytes(LONGEST_SAMPLING_BYTES)}, or 'off' to sample nothing`,
  )
}
