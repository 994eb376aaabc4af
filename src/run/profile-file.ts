/**
 * Keeps profile.pb.gz in the run folder: the latest snapshot of a running profile, at the end and meanwhile, because a process
 * that a signal ends, as Ctrl-C does, writes nothing more. What it then lost is an eighth of its time, and 30 s at most; a
 * third of that where it ends by itself.
 * At exit nothing is encoded, only written: on Node 20, hot code in the last moment sets off compiler threads, and a process
 * that ends while one of them asks for a garbage collection waits for it for ever. So what will be written is encoded as
 * snapshots come, as often as a hundredth of the time allows and as there is more to say. Readers see the old file or the whole
 * new one.
 */

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { TidemarkError } from '../errors.js'
import type { Profile } from '../profile/profile.js'
import type { ProfileSession, SnapshotOptions } from '../profile/session.js'
import type { ProfileSource } from '../profile/site-feed.js'
import { WorkCost } from '../profile/work-cost.js'
import { cannotWrite } from './timeline.js'

const MIB = 2 ** 20

const LONGEST_PAUSE_MS = 30e3

/** Of the time seen so far. */
const PAUSE_SHARE = 1 / 8

/** What a process that ends by itself loses, at most. Encoding makes more garbage than all else here. */
const LONGEST_ENCODING_PAUSE_MS = 10e3

/** What encoding itself allocates is sampled too: for that little it must not encode again, or an idle process never rests. */
const LITTLE_BYTES = 4 * MIB

/** ms between encodings for each ms of this thread that one takes. */
const COST_FACTOR = 100

const allocated = (profile: Profile) => profile.total('allocated-bytes').value

type Source = Pick<ProfileSession, 'snapshot' | 'jsHeapMs'>

export class ProfileFile implements ProfileSource {
  readonly #path: string
  readonly #unfinished: string
  readonly #source: Source
  readonly #onProblem: (error: TidemarkError) => void
  /** Encoded and not yet in the file. */
  #latest: Buffer | undefined
  #encoded: Profile | undefined
  readonly #startedAt = performance.now()
  readonly #cost = new WorkCost()
  #costMs = 0
  #encoding = false
  /** When `#encoded` last held all that there was to say. */
  #upToDateAt = 0
  #encodeDueAt = 0
  #writing = false
  #writtenAt = Number.NEGATIVE_INFINITY
  #warned = false

  /** A profile that an earlier run left at `path` is gone from now on: it is not this run's. */
  constructor(path: string, source: Source, onProblem: (error: TidemarkError) => void) {
    this.#path = path
    this.#unfinished = `${path}.${process.pid}.tmp`
    this.#source = source
    this.#onProblem = onProblem
    rmSync(path, { force: true })
  }

  /** As the source's, remembered for the file. */
  async snapshot(options: SnapshotOptions = {}): Promise<Profile> {
    const profile = await this.#source.snapshot(options)
    if (!this.#encoding && performance.now() >= this.#encodeDueAt)
      void this.#encode(options.onlyLive ? undefined : profile)
    return profile
  }

  get jsHeapMs(): number {
    return this.#source.jsHeapMs
  }

  /** @param taken a whole snapshot; undefined: to be taken */
  async #encode(taken: Profile | undefined): Promise<void> {
    this.#encoding = true
    this.#cost.begin()
    try {
      const profile = taken ?? (await this.#whole())
      const little = this.#addsLittle(profile)
      if (!little) await this.#update(profile)
      const now = performance.now()
      const pause = Math.min((now - this.#startedAt) * PAUSE_SHARE, LONGEST_PAUSE_MS)
      const next = now + Math.max(this.#costMs * COST_FACTOR, Math.min(pause, LONGEST_ENCODING_PAUSE_MS))
      this.#encodeDueAt = little ? Math.min(next, this.#upToDateAt + LONGEST_ENCODING_PAUSE_MS) : next
      if (!this.#latest) return
      if (!this.#writing && now - this.#writtenAt >= pause) await this.#write(this.#latest)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#encoding = false
    }
  }

  #addsLittle(profile: Profile): boolean {
    const before = this.#encoded
    if (!before || profile === before) return false
    if (performance.now() - this.#upToDateAt >= LONGEST_ENCODING_PAUSE_MS) return false
    return Math.abs(allocated(profile) - allocated(before)) < LITTLE_BYTES
  }

  async #update(profile: Profile): Promise<void> {
    if (profile !== this.#encoded) {
      this.#latest = await profile.toPprofAsync()
      this.#encoded = profile
      this.#costMs = this.#cost.end()
    }
    this.#upToDateAt = performance.now()
  }

  #whole(): Promise<Profile> {
    return this.#source.snapshot({ jsHeap: false, ...(this.#encoded && { since: this.#encoded }) })
  }

  /** On a pool thread, so that a slow disk never stops the service. */
  async #write(encoded: Buffer): Promise<void> {
    this.#writing = true
    this.#writtenAt = performance.now()
    try {
      await writeFile(this.#unfinished, encoded)
      this.#put(encoded)
    } finally {
      this.#writing = false
    }
  }

  /** For the end of the process. Skipped where the disk has hung: ending must not wait for it. */
  writeSync(): void {
    const hangs = this.#writing && performance.now() - this.#writtenAt > LONGEST_PAUSE_MS
    if (this.#latest === undefined || hangs) return
    try {
      writeFileSync(this.#unfinished, this.#latest)
      this.#put(this.#latest)
    } catch (error) {
      this.#failed(error)
    }
  }

  #put(encoded: Buffer): void {
    renameSync(this.#unfinished, this.#path)
    if (this.#latest === encoded) this.#latest = undefined
  }

  #failed(error: unknown): void {
    rmSync(this.#unfinished, { force: true })
    if (this.#warned) return
    this.#warned = true
    this.#onProblem(cannotWrite(this.#path, error))
  }
}
