/** A process that answers what it is asked, one question at a time, and says once by itself that it is ready. */

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export class Respondent {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** `script` is the name of a program of this folder. */
  static async start(script: string, words: string[] = [], options: ForkOptions = {}): Promise<Respondent> {
    const child = fork(join(__dirname, `${script}.js`), words, options)
    await answer(child)
    return new Respondent(child)
  }

  get pid(): number {
    return this.#child.pid!
  }

  async ask<Question extends object>(question: Question): Promise<unknown> {
    this.#child.send(question)
    return answer(this.#child)
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
