/** report.html: a run on one page that opens anywhere, needs no network, and says the same without its script. Pure. */

import { basename } from 'node:path'
import { siteRate } from '../growth/sites.js'
import type { Cause, Site, StackFrame, Verdict } from '../growth/verdict.js'
import { OWNERS, type Owner } from '../owners.js'
import type { RunInfo } from '../readings/reading.js'
import { formatBytes, formatDuration, formatRate } from '../units.js'
import { chartData, hoverData, renderChart, swatch } from './chart.js'
import type { History } from './history.js'
import { HOVER } from './hover.js'
import { Html, html, jsonScript } from './html.js'
import { STYLE } from './style.js'
import {
  growthWords,
  headline,
  intervalWords,
  isGrowing,
  LIMIT_SOURCE,
  limitWords,
  OWNER_MEANING,
  sentence,
} from './wording.js'

const MOST_REGIONS = 50

export interface ReportInput {
  verdict: Verdict
  history: History
  info: RunInfo | undefined
  /** The profile as a flame graph, where the run was profiled. */
  flameGraph?: Html | undefined
}

/** `history` holds at least one reading. */
export function renderReport({ verdict, history, info, flameGraph }: ReportInput): string {
  const data = chartData(history, verdict.limit?.bytes)
  const title = info ? basename(info.script) : 'process'
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${verdict.kind}: ${title} (tidemark)</title>
<style>${new Html(STYLE)}</style>
</head>
<body style="--kind:var(--${verdict.kind})">
<main>
<header>
<span class="kind">${verdict.kind}</span>
<h1>${sentence(headline(verdict))}</h1>
<p class="run">${runWords(history, info)}</p>
</header>
${facts(verdict, history)}
${remedies(verdict.causes)}
${sitesTable(verdict.causes)}
<section class="card">
<h2>Resident memory by owner</h2>
${renderChart(data)}
${legend(data.shown)}
</section>
<section class="card">
<h2>Owners</h2>
${ownersTable(verdict, history)}
</section>
${evidence(verdict.evidence)}
${regionsTable(history)}
${flameSection(flameGraph)}
<footer>${info ? `tidemark ${info.tidemark}. ` : ''}Sizes are binary: 1 MiB is 1,048,576 bytes. Rates are given with a 95 % interval; ± is one standard error.</footer>
</main>
${jsonScript('chart-data', hoverData(data))}
<script>${new Html(HOVER)}</script>
</body>
</html>
`.text
}

function runWords({ first, last, count }: History, info: RunInfo | undefined): string {
  const readings = `${count} ${count === 1 ? 'reading' : 'readings'} over ${formatDuration(last!.t - first!.t)}`
  if (!info) return readings
  const started = info.startedAt.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC')
  return `${info.script} · Node ${info.node} · pid ${info.pid} · ${started} · ${readings}`
}

function facts(verdict: Verdict, { first, last, peakRss }: History): Html {
  const change = formatBytes(last!.rss - first!.rss, { signed: true })
  const main = verdict.causes[0]
  return html`<dl class="facts">
${fact('RSS', `${formatBytes(first!.rss)} → ${formatBytes(last!.rss)}`, `${change}, peak ${formatBytes(peakRss)}`)}
${main && main.kind !== 'warm-up' ? causeFact(main) : null}
${limitFact(verdict.limit)}
</dl>`
}

function causeFact({ owner, growth, heldBytes }: Cause): Html {
  if (heldBytes !== undefined && !isGrowing(growth)) return fact(owner, formatBytes(heldBytes), 'held all the time')
  return fact(owner, formatRate(growth.bytesPerHour), `${intervalWords(growth)} (95 %)`)
}

function limitFact(limit: Verdict['limit']): Html | null {
  if (limit === null) return null
  const { bytes, source, reachedInMs } = limit
  if (reachedInMs === null) return fact('Limit', formatBytes(bytes), LIMIT_SOURCE[source])
  return fact('Limit reached in', formatDuration(reachedInMs), limitWords({ ...limit, reachedInMs: null }))
}

function fact(name: string, value: string, more: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`
}

function remedies(causes: Cause[]): Html | null {
  if (causes.length === 0) return null
  return html`<section class="card remedy">
<h2>What to do</h2>
${causes.map((cause) => html`<p><b>${cause.owner}</b> ${kindTag(cause.kind)} ${cause.remedy}</p>`)}
</section>`
}

/** Growth by the place that allocates, fastest first; each with the way by which it was called. */
function sitesTable(causes: Cause[]): Html | null {
  const rows = causes.flatMap(({ owner, sites }) => sites.map((site) => ({ owner, site })))
  if (rows.length === 0) return null
  rows.sort((a, b) => b.site.bytesPerHour - a.site.bytesPerHour)
  return html`<section class="card">
<h2>Allocated by</h2>
<div class="scroll"><table>
<tr><th>Function</th><th class="n">Growth</th><th class="n wide">Live</th><th class="wide">Region</th></tr>
${rows.map(
  ({ owner, site }) => html`<tr><td>${swatch(owner)}${siteCell(site)}</td><td class="n">${siteRate(site)}</td>
<td class="n wide">${formatBytes(site.liveBytes)} ± ${formatBytes(site.standardError)}</td><td class="wide">${site.region}</td></tr>
`,
)}
</table></div>
<p class="note">What was allocated there and is still in use, estimated from samples; the youngest is left out.</p>
</section>`
}

function siteCell(site: Site): Html {
  const name = html`<b>${site.function || '(anonymous)'}</b> <small>${position(site)}</small>`
  if (site.stack.length === 0) return name
  return html`<details><summary>${name}</summary><ol class="stack">${site.stack.map(
    (frame) => html`<li>${frame.function || '(anonymous)'} <small>${position(frame)}</small></li>`,
  )}</ol></details>`
}

function position({ file, line }: Pick<StackFrame, 'file' | 'line'>): string {
  return line > 0 ? `${file}:${line}` : file
}

function flameSection(flameGraph: Html | undefined): Html | null {
  if (!flameGraph) return null
  return html`<section class="card">
<h2>Live memory by stack</h2>
${flameGraph}
</section>`
}

function legend(owners: Owner[]): Html {
  const items = [...owners].reverse().map((owner) => html`<li>${swatch(owner)}${owner}</li>`)
  return html`<ul class="legend"><li><i class="line"></i>RSS</li>${items}</ul>`
}

function ownersTable(verdict: Verdict, history: History): Html {
  const told = history.told()
  const first = told[0]
  const last = told.at(-1)
  if (!first || !last) return html`<p class="note">The process ended before its memory was told apart by owner.</p>`
  const rows = OWNERS.map((owner) => ({
    owner,
    from: first.owners[owner] ?? 0,
    to: last.owners[owner] ?? 0,
    cause: verdict.causes.find((cause) => cause.owner === owner),
  })).filter(({ from, to }) => from !== 0 || to !== 0)
  rows.sort((a, b) => b.to - b.from - (a.to - a.from))
  return html`<div class="scroll"><table>
<tr><th>Owner</th><th class="n wide">First</th><th class="n">Last</th><th class="n">Change</th><th class="n wide">Growth (95 %)</th></tr>
${rows.map(
  ({
    owner,
    from,
    to,
    cause,
  }) => html`<tr><td>${swatch(owner)}${owner} ${cause ? kindTag(cause.kind) : null} <small>${OWNER_MEANING[owner]}</small></td>
<td class="n wide">${formatBytes(from)}</td><td class="n">${formatBytes(to)}</td><td class="n">${formatBytes(to - from, { signed: true })}</td>
<td class="n wide">${cause && cause.kind !== 'warm-up' ? growthWords(cause.growth) : ''}</td></tr>
`,
)}
<tr class="total"><td>RSS</td><td class="n wide">${formatBytes(first.rss)}</td><td class="n">${formatBytes(last.rss)}</td><td class="n">${formatBytes(last.rss - first.rss, { signed: true })}</td><td class="wide"></td></tr>
</table></div>`
}

function kindTag(kind: Cause['kind']): Html {
  return html`<span class="tag" style="--kind:var(--${kind})">${kind}</span>`
}

function evidence(sentences: string[]): Html | null {
  if (sentences.length === 0) return null
  return html`<section class="card">
<h2>Evidence</h2>
<ul class="evidence">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>
</section>`
}

function regionsTable({ regions }: History): Html | null {
  const rows = Object.entries(regions).sort(([, a], [, b]) => (b.rss || 0) - (a.rss || 0))
  if (rows.length === 0) return null
  const left = rows.length - MOST_REGIONS
  return html`<section class="card">
<h2>Regions</h2>
<div class="scroll"><table>
<tr><th>Region</th><th class="n">Calls</th><th class="n wide">Measured</th><th class="n">RSS</th><th class="n">Anonymous</th><th class="n wide">Wall</th><th class="n wide">CPU</th></tr>
${rows.slice(0, MOST_REGIONS).map(
  ([
    name,
    line,
  ]) => html`<tr><td>${name}</td><td class="n">${count(line.calls)}</td><td class="n wide">${count(line.measured)}</td>
<td class="n">${amount(line.rss)}</td><td class="n">${amount(line.anon)}</td>
<td class="n wide">${duration(line.wallMs)}</td><td class="n wide">${duration(line.cpuMs)}</td></tr>
`,
)}
</table></div>
<p class="note">Growth is summed over all calls, estimated from the measured ones.${left > 0 ? ` ${left} more are in timeline.ndjson.` : ''}</p>
</section>`
}

function count(n: number): string {
  return n.toLocaleString('en')
}

function amount(bytes: number): string {
  return Number.isFinite(bytes) ? formatBytes(bytes, { signed: true }) : '?'
}

function duration(ms: number): string {
  return Number.isFinite(ms) ? formatDuration(ms) : '?'
}
