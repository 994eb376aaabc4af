/** The verdict in about ten lines that a person understands at once. Pure. */

import { isAbsolute, relative } from 'node:path'
import { worthSaying } from '../growth/retention.js'
import { jsCallers, siteName, siteRate } from '../growth/sites.js'
import type { Cause, Site, Verdict } from '../growth/verdict.js'
import { OWNERS, type Owner } from '../owners.js'
import { printable } from '../printable.js'
import type { History, Point } from '../report/history.js'
import {
  allocatorWords,
  growthWords,
  headline,
  isGrowing,
  limitWords,
  sentence,
  skippedWords,
} from '../report/wording.js'
import { formatBytes, formatDuration } from '../units.js'
import { sparkline } from './sparkline.js'
import type { Style } from './terminal.js'

/** Changes below this are not worth a line. */
const WORTH_A_LINE = 1 << 20
const MOST_OWNERS = 4
const MOST_REGIONS = 2
const MOST_SITES = 3
const MOST_CALLERS = 2
const LABEL_WIDTH = 15
const SPARK_WIDTH = 24
const TEXT_WIDTH = 92

export interface Summary {
  verdict: Verdict
  history: History
  /** Lines of the timeline that could not be read. */
  skipped?: number
  /** How the process ended, where that is worth saying. */
  ended?: string | undefined
  /** Where the files are. */
  folder?: string
  /** Files below this folder are named from there. */
  cwd?: string
}

const BADGE = {
  leak: ['bold', 'white', 'bgRed'],
  retention: ['bold', 'black', 'bgYellow'],
  'warm-up': ['bold', 'black', 'bgCyan'],
  steady: ['bold', 'black', 'bgGreen'],
  unknown: ['bold', 'inverse'],
} as const

export function summarise({ verdict, history, skipped = 0, ended, folder, cwd }: Summary, style: Style): string {
  const badge = style([...BADGE[verdict.kind]], ` ${verdict.kind.toUpperCase()} `)
  const points = history.points()
  const lines = [`\n${badge} ${style('bold', printable(sentence(headline(verdict))))}\n`]
  const say = (label: string, text: string) => lines.push(`  ${style('dim', label.padEnd(LABEL_WIDTH))}${text}`)
  const explain = (label: string, text: string) => {
    const [first = '', ...more] = wrap(printable(text), TEXT_WIDTH)
    say(label, first)
    for (const line of more) say('', line)
  }

  if (points.length > 0) say('RSS', rssLine(history, points, style))
  for (const line of ownerLines(verdict, history, style)) say(line.owner, line.text)
  const held = allocatorLine(verdict, history)
  if (held !== undefined) say('allocator', held)
  for (const line of siteLines(verdict, cwd, style)) say(line.label, line.text)
  const { limit } = verdict
  if (limit) say('limit', limit.reachedInMs === null ? limitWords(limit) : style('bold', limitWords(limit)))
  for (const region of regionLines(history)) say('region', region)
  if (verdict.kind === 'unknown') for (const missing of missingEvidence(verdict, history)) explain('because', missing)
  const remedy = verdict.causes[0]?.remedy
  if (remedy) explain('what to do', remedy)
  if (skipped > 0) explain('unreadable', skippedWords(skipped))
  if (ended !== undefined) explain('ended', ended)
  if (folder !== undefined) say('recorded in', `${printable(folder)} ${style('dim', '(open its report.html)')}`)
  return `${lines.join('\n')}\n\n`
}

function rssLine(history: History, points: Point[], style: Style): string {
  const { first, last, peakRss } = history
  const change = `${formatBytes(first!.rss)} → ${formatBytes(last!.rss)}`
  const line = sparkline(
    points.map(({ t, rss }) => ({ t, value: rss })),
    SPARK_WIDTH,
    leastRange(history),
  )
  return `${change.padEnd(20)} ${style('cyan', line)}  in ${formatDuration(last!.t - first!.t)}, peak ${formatBytes(peakRss)}`
}

function leastRange(history: History): number {
  return history.peakRss / 5
}

const MOST_MISSING = 2

/** What would have to be seen of the owners that changed most. */
function missingEvidence(verdict: Verdict, history: History): string[] {
  const change = changes(history.told())
  return OWNERS.filter((owner) => change(owner) !== 0)
    .sort((a, b) => change(b) - change(a))
    .flatMap((owner) => verdict.evidence.filter((sentence) => sentence.startsWith(`${owner} unknown`)))
    .slice(0, MOST_MISSING)
}

function changes(told: Point[]): (owner: Owner) => number {
  const first = told[0]?.owners
  const last = told.at(-1)?.owners
  return (owner) => (last?.[owner] ?? 0) - (first?.[owner] ?? 0)
}

/** What grew most, and whatever the verdict names. */
function ownerLines(verdict: Verdict, history: History, style: Style): { owner: Owner; text: string }[] {
  const told = history.told()
  const end = (point: Point | undefined) => ({ t: point?.t ?? 0, value: Number.NaN })
  const change = changes(told)
  const named = verdict.causes.map((cause) => cause.owner)
  const grown = OWNERS.filter((owner) => !named.includes(owner) && change(owner) >= WORTH_A_LINE)
  grown.sort((a, b) => change(b) - change(a))
  return [...named, ...grown].slice(0, MOST_OWNERS).map((owner) => {
    const samples = told.map(({ t, owners }) => ({ t, value: owners[owner] ?? Number.NaN }))
    // With the ends of the run, so that all lines are over the same time.
    const line = sparkline([end(history.first), ...samples, end(history.last)], SPARK_WIDTH, leastRange(history))
    const cause = verdict.causes.find((candidate) => candidate.owner === owner)
    const text = `${formatBytes(change(owner), { signed: true }).padEnd(20)} ${style('cyan', line)}`
    return { owner, text: cause ? `${text}  ${causeWords(cause, style)}` : text }
  })
}

function causeWords(cause: Cause, style: Style): string {
  // The rate of a warm-up is that of its settled part: no news.
  if (cause.kind === 'warm-up') return `${style('cyan', cause.kind)}, then settled`
  const kind = style(cause.kind === 'leak' ? 'red' : 'yellow', cause.kind)
  const { heldBytes, growth } = cause
  // What is held and does not grow has no rate worth a word.
  if (heldBytes !== undefined && !isGrowing(growth)) return `${kind}: ${formatBytes(heldBytes)} held all the time`
  return `${kind}: ${growthWords(growth)}`
}

/** What the allocator keeps: where that is a cause, or so much that somebody would wonder. */
function allocatorLine({ causes }: Verdict, { allocator, last }: History): string | undefined {
  if (!allocator) return undefined
  const matters = allocator.free >= worthSaying(last?.rss ?? 0) || causes.some(({ owner }) => owner === 'malloc-free')
  return matters ? allocatorWords(allocator) : undefined
}

/** Who allocates what grows. Of an addon also the JavaScript that called it, as that is where it can be changed. */
function siteLines({ causes }: Verdict, cwd: string | undefined, style: Style): { label: string; text: string }[] {
  const sites = causes.flatMap((cause) => cause.sites)
  sites.sort((a, b) => b.bytesPerHour - a.bytesPerHour)
  return sites.slice(0, MOST_SITES).flatMap((site, i) => {
    const text = `${siteRate(site).padEnd(20)} ${style('bold', place(site, cwd))}`
    const callers = jsCallers(site)
      .slice(0, MOST_CALLERS)
      .map((frame) => ({ label: '', text: `  called by ${place(frame, cwd)}` }))
    return [{ label: i === 0 ? 'allocated by' : '', text }, ...callers]
  })
}

function place(named: Pick<Site, 'function' | 'file' | 'line'>, cwd: string | undefined): string {
  return printable(siteName({ ...named, file: cwd === undefined ? named.file : shortFile(named.file, cwd) }))
}

function shortFile(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file
  const path = relative(cwd, file)
  return path.startsWith('..') ? file : path
}

function regionLines(history: History): string[] {
  return Object.entries(history.regions)
    .filter(([, { rss }]) => rss >= WORTH_A_LINE)
    .sort(([, a], [, b]) => b.rss - a.rss)
    .slice(0, MOST_REGIONS)
    .map(([name, { rss, calls, measured }]) => {
      const all = calls === 1 ? '1 call' : `${calls} calls`
      const counted = measured < calls ? `${all}, ${measured} measured` : all
      return `${printable(name)} ${formatBytes(rss, { signed: true })} of RSS in ${counted}`
    })
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
