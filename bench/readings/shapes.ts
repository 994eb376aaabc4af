/** The sizes of the processes that are measured. */

import { availableBytes } from '../machine.js'
import type { Shape } from '../subject/subject.js'

const MIB = 2 ** 20

export const SMALL: Shape = { rss: 50 * MIB, mappings: 200 }
export const MEDIUM: Shape = { rss: 500 * MIB, mappings: 200 }
export const HUGE: Shape = { rss: 4096 * MIB, mappings: 200 }

/** Whether the huge one fits into this machine's memory without driving anything else out. */
export function hasRoom(): boolean {
  return availableBytes() >= 6 * 2 ** 30
}

export const NO_ROOM = 'less than 6 GiB of memory is available'
