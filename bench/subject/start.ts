/** Starts processes to be measured and asks them for measurements. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Measure } from './measures.js'
import type { Request, Shape } from './subject.js'

export class Subject {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(shape: Shape): Promise<Subject> {
    // glibc maps large blocks directly, but after the first one is freed it recycles them: 4 MiB Buffers would soon
    // change the address space no more, and nothing would be left to stall. A fixed threshold keeps it mapping them.
    const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072' }
    const child = fork(join(__dirname, 'subject.js'), [JSON.stringify(shape)], { env })
    await answer(child)
    return new Subject(child)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** A side of a comparison: see measures.ts for what the argument is. */
  measure(measure: Measure, argument = 0): () => Promise<number> {
    return async () => {
      this.#child.send({ measure, argument } satisfies Request)
      const value = (await answer(this.#child)) as number
      if (!(value >= 0)) throw new Error(`${measure} failed in a subject`)
      return value
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

async function answer(child: ChildProcess): Promise<unknown> {
  const waiting = new AbortController()
  const { signal } = waiting
  const died = once(child, 'exit', { signal }).then(([code, killer]) => {
    throw new Error(`a subject ended with ${killer ?? code}`)
  })
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal }), died])) as [unknown]
    return message
  } finally {
    waiting.abort()
  }
}
