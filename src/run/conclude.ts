/**
 * The one way from a timeline to a verdict. Whoever outlives the service takes it: the command line after the script's
 * end, the service itself at exit where there is no command line, `tidemark report` at any later time. All of them read
 * the timeline, so all of them say the same; the profile, where there is one, is shown beside it.
 */

import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TidemarkError } from '../errors.js'
import { flameGraph } from '../export/html.js'
import { readProfile } from '../export/read-profile.js'
import { Detector } from '../growth/detector.js'
import type { Verdict } from '../growth/verdict.js'
import type { RunInfo } from '../readings/reading.js'
import { History } from '../report/history.js'
import { Html, html } from '../report/html.js'
import { renderReport } from '../report/page.js'
import { skippedWords } from '../report/wording.js'
import { PROFILE, REPORT, TIMELINE, VERDICT } from './run-folder.js'
import { cannotWrite, readTimeline } from './timeline.js'

/** What a timeline says. */
export interface Run {
  verdict: Verdict
  history: History
  /** Absent where the line that held it was lost. */
  info: RunInfo | undefined
  /** Lines of the timeline that could not be read. */
  skipped: number
}

/**
 * Reads a run folder's timeline. Where several runs were recorded into one folder, the last one counts.
 * @throws {TidemarkError} `ERR_TIDEMARK_RUN_FOLDER` if there is no timeline, or no reading in it
 */
export function readRun(folder: string): Run {
  let detector = new Detector()
  let history = new History()
  let info: RunInfo | undefined
  let skipped = 0
  const path = join(folder, TIMELINE)
  for (const reading of readTimeline(path, () => skipped++)) {
    if (reading.run) {
      info = reading.run
      detector = new Detector()
      history = new History()
    }
    detector.add(reading)
    history.add(reading)
  }
  if (history.count === 0) {
    throw new TidemarkError(
      'ERR_TIDEMARK_RUN_FOLDER',
      `${path} holds no reading: the process ended before the first one, or the disk was full; run it again`,
    )
  }
  const verdict = detector.verdict()
  if (skipped > 0) verdict.evidence.splice(1, 0, skippedWords(skipped))
  return { verdict, history, info, skipped }
}

/**
 * Reads a run folder, its profile included, and writes its verdict.json and report.html.
 * Where those cannot be written the run is still returned, with the error, so that the verdict reaches the terminal.
 * @throws {TidemarkError} `ERR_TIDEMARK_RUN_FOLDER` if there is nothing to conclude from
 */
export function conclude(folder: string): { run: Run; problem: TidemarkError | null } {
  const run = readRun(folder)
  try {
    replaceFile(join(folder, VERDICT), `${JSON.stringify(run.verdict, null, 2)}\n`)
    replaceFile(join(folder, REPORT), renderReport({ ...run, flameGraph: flameGraphOf(folder) }))
    return { run, problem: null }
  } catch (error) {
    return { run, problem: error instanceof TidemarkError ? error : cannotWrite(folder, error) }
  }
}

/** A profile that cannot be read says so in the report, and keeps nothing else from it. */
function flameGraphOf(folder: string): Html | undefined {
  if (!existsSync(join(folder, PROFILE))) return undefined
  try {
    return new Html(flameGraph(readProfile(folder).columns))
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error
    return html`<p class="note">${error.message}</p>`
  }
}

/** A reader sees the old file or the whole new one, also when writing is interrupted. */
function replaceFile(path: string, text: string): void {
  const unfinished = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(unfinished, text)
    renameSync(unfinished, path)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw cannotWrite(path, error)
  }
}
