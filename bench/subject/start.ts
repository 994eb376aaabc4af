/** Starts processes to be measured and asks them for measurements. */

import type { Measure } from './measures.js'
import { Respondent } from './process.js'
import type { Request, Shape } from './subject.js'

export class Subject {
  readonly #process: Respondent

  private constructor(process: Respondent) {
    this.#process = process
  }

  static async start(shape: Shape): Promise<Subject> {
    // glibc maps large blocks directly, but after the first one is freed it recycles them: 4 MiB Buffers would soon
    // change the address space no more, and nothing would be left to stall. A fixed threshold keeps it mapping them.
    const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072' }
    return new Subject(await Respondent.start('subject', [JSON.stringify(shape)], { env }))
  }

  get pid(): number {
    return this.#process.pid
  }

  /** A side of a comparison: see measures.ts for what the argument is. */
  measure(measure: Measure, argument = 0): () => Promise<number> {
    return async () => {
      const value = (await this.#process.ask<Request>({ measure, argument })) as number
      if (!(value >= 0)) throw new Error(`${measure} failed in a subject`)
      return value
    }
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }
}
