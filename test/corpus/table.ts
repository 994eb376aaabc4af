/** What the corpus showed, as Markdown: a row for each program, and how many are right. Pure. */

import type { Cause, Verdict } from 'tidemark'
import { formatRate } from '#dist/units'
import { isRight, type Judgement, type TrueCause, type Truth } from './judge.js'

/** One program and its runs; one that did not end well has only a problem. */
export interface Row {
  name: string
  runs: ({ truth: Truth; verdict: Verdict; judgement: Judgement } | { problem: string })[]
}

const HEAD = ['program', 'truth', 'verdict', 'owner', 'site', 'true rate', 'rate (95 %)', 'right']

export function table(rows: Row[]): string {
  return [HEAD, HEAD.map(() => '---'), ...rows.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** `34 of 40 programs right; false alarms: none`: a program counts as right when all its runs are. */
export function totals(rows: Row[]): string {
  const right = rows.filter(({ runs }) => runs.every(isRightRun)).length
  const alarms = rows.filter(({ runs }) => runs.some(isFalseAlarm)).map(({ name }) => name)
  return `${right} of ${rows.length} programs right; false alarms: ${alarms.join(', ') || 'none'}`
}

export function isRightRun(run: Row['runs'][number]): boolean {
  return !('problem' in run) && isRight(run.judgement)
}

function isFalseAlarm(run: Row['runs'][number]): boolean {
  return !('problem' in run) && run.verdict.kind === 'leak' && !run.truth.kinds.includes('leak')
}

/** Of the first run that is wrong, or of the last. */
function cells({ name, runs }: Row): string[] {
  const right = runs.filter(isRightRun).length
  const score = runs.length > 1 ? `${right} of ${runs.length}` : right === 1 ? 'yes' : '**no**'
  const shown = runs.find((run) => !isRightRun(run)) ?? runs.at(-1)!
  if ('problem' in shown) return [name, '', '', '', '', '', '', `${score}: ${shown.problem.split('\n')[0]}`]
  const { truth, verdict, judgement } = shown
  const wrong = [judgement.kind, judgement.owner, judgement.site, judgement.rate].flat().join('; ')
  const leaks = verdict.causes.filter(({ kind }) => kind === 'leak')
  const found = ({ owner }: TrueCause) => leaks.find((cause) => cause.owner === owner)
  const join = (parts: string[]) => parts.join(' + ')
  return [
    name,
    join([truth.kinds.join(' or '), ...truth.causes.map(({ owner, site }) => `${owner} ${siteWords(site)}`.trim())]),
    verdict.kind,
    join(verdict.causes.map(({ owner, kind }) => (kind === verdict.kind ? owner : `${owner} (${kind})`))),
    join(leaks.flatMap(({ sites }) => sites.slice(0, 1).map((site) => site.function))),
    join(truth.causes.map(({ bytesPerHour }) => formatRate(bytesPerHour))),
    join(truth.causes.map((cause) => rateWords(found(cause)))),
    wrong ? `${score}: ${wrong}` : score,
  ]
}

function siteWords(site: TrueCause['site']): string {
  return Object.values(site ?? {}).join(' ← ')
}

function rateWords(cause: Cause | undefined): string {
  if (cause === undefined) return ''
  const { bytesPerHour: like, low, high } = cause.growth
  return `${formatRate(like)} (${formatRate(low, { like })} to ${formatRate(high, { like })})`
}
