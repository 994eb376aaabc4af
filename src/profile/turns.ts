/** Lets the event loop turn while a profile is worked on: a service must not stand still because somebody looks at it. */

import { setImmediate } from 'node:timers/promises'

/** How long the event loop may have to wait for a piece of the work; what is done between two looks at the clock comes on top. */
const LONGEST_MS = 4

export class Turns {
  #since = performance.now()

  /** Whether others have waited long enough. */
  get over(): boolean {
    return performance.now() - this.#since >= LONGEST_MS
  }

  async next(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
