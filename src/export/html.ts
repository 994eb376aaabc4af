/** A profile as one page: a flame graph and the sites behind it. Opens anywhere, needs no network, no library. Pure. */

import type { ProfileColumns } from '../profile/columns.js'
import type { Profile } from '../profile/profile.js'
import { type TopRow, topRows } from '../profile/top.js'
import type { ProfileValue } from '../profile/value.js'
import { Html, html, jsonScript } from '../report/html.js'
import { STYLE } from '../report/style.js'
import { formatBytes, formatDuration } from '../units.js'
import { flameData } from './flame-data.js'
import { FLAME_SCRIPT } from './flame-script.js'
import { FLAME_STYLE } from './flame-style.js'
import type { StackOptions } from './stacks.js'

const MOST_SITES = 50

const VALUE_WORDS: Record<ProfileValue, string> = {
  'live-bytes': 'In-use bytes',
  'live-count': 'In-use objects',
  'allocated-bytes': 'Allocated bytes',
  'allocated-count': 'Allocated objects',
}

/** `value` and `showInternal` are what the page shows first; both can be changed on it. */
export function renderHtml({ columns }: Pick<Profile, 'columns'>, options: StackOptions = {}): string {
  const { value = 'live-bytes' } = options
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Memory profile (tidemark)</title>
<style>${new Html(STYLE)}main { max-width: 1600px }</style>
</head>
<body>
<main>
<header>
<h1>${VALUE_WORDS[value]} by stack</h1>
<p class="run">${runWords(columns)}</p>
</header>
<section class="card">
${new Html(flameGraph(columns, options))}
</section>
<section class="card">
<h2>Top sites</h2>
${sitesTable(topRows(columns, MOST_SITES, { value }), value)}
</section>
${notes(columns.notes)}
<footer>Estimates from samples, ± one standard error. Sizes are binary: 1 MiB is 1,048,576 bytes.</footer>
</main>
</body>
</html>
`.text
}

/**
 * The flame graph as a fragment with its own data, style and script, for one page at most once. The page brings report/style.ts
 * and lets inline styles and scripts run.
 */
export function flameGraph(
  columns: ProfileColumns,
  { value = 'live-bytes', showInternal = false }: StackOptions = {},
): string {
  const { regions } = columns
  const values = Object.entries(VALUE_WORDS).map(
    ([name, words]) => html`<option value="${name}"${name === value ? new Html(' selected') : null}>${words}</option>`,
  )
  const regionOptions = regions.map(
    (name, i) => html`<option value="${i}">${name || '(outside every region)'}</option>`,
  )
  return html`<div class="flame" id="flame">
<style>${new Html(FLAME_STYLE)}</style>
<div class="flame-controls">
<label>Show <select class="flame-by-value">${values}</select></label>
<label>of <select class="flame-by-source"><option value="">native and JS heap</option><option value="0">native</option><option value="1">JS heap</option></select></label>
<label${regions.length < 2 ? new Html(' hidden') : null}>in <select class="flame-by-region"><option value="">every region</option>${regionOptions}</select></label>
<label>Colour <select class="flame-by-colour"><option value="kind">by kind</option><option value="file">by file</option><option value="region">by region</option></select></label>
<label><input type="checkbox" class="flame-by-internal"${showInternal ? new Html(' checked') : null}> Frames of Node and V8</label>
<label>Search <input type="search" class="flame-by-search" placeholder="function or file" autocomplete="off" spellcheck="false"></label>
<span class="flame-found" role="status"></span>
</div>
<ol class="flame-path" aria-label="Zoomed to"></ol>
<div class="flame-stage">
<canvas tabindex="0" role="application" aria-label="Flame graph, callers above. Arrow keys move, Enter zooms in, Escape zooms out, / searches."></canvas>
<div class="flame-tip" hidden></div>
<p class="flame-none note" hidden>Nothing was sampled that fits these choices.</p>
</div>
<ul class="flame-key"></ul>
<p class="flame-said" aria-live="polite"></p>
<noscript><p class="note">The graph is drawn by a script, which this page may not run.</p></noscript>
${jsonScript('flame-data', flameData(columns))}
<script>${new Html(FLAME_SCRIPT)}</script>
</div>`.text
}

function runWords({ startedAt, durationMs, intervalBytes, jsIntervalBytes }: ProfileColumns): string {
  const intervals: string[] = []
  if (intervalBytes > 0) intervals.push(`native memory sampled every ${formatBytes(intervalBytes)}`)
  if (jsIntervalBytes > 0) intervals.push(`JS heap every ${formatBytes(jsIntervalBytes)}`)
  const started = new Date(startedAt)
  const when = Number.isNaN(started.getTime())
    ? ''
    : `${started
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC')} · `
  return `${when}${formatDuration(durationMs)} · ${intervals.join(', ')}`
}

function sitesTable(rows: readonly TopRow[], value: ProfileValue): Html {
  const positive = rows.filter((row) => row.value > 0)
  if (positive.length === 0) return html`<p class="note">Nothing was sampled.</p>`
  const amount = (n: number) => (value.endsWith('bytes') ? formatBytes(n) : Math.round(n).toLocaleString('en'))
  return html`<div class="scroll"><table>
<tr><th>Site</th><th class="wide">Owner</th><th class="n">${VALUE_WORDS[value]}</th><th class="n wide">± error</th><th class="n wide">Samples</th><th class="n">Share</th></tr>
${positive.map(
  (
    row,
  ) => html`<tr><td>${row.function || '(unknown)'} <small>${row.file}${row.line > 0 ? `:${row.line}` : ''}</small></td>
<td class="wide">${row.owner}${row.region ? `, ${row.region}` : ''}</td><td class="n">${amount(row.value)}</td><td class="n wide">${Number.isFinite(row.standardError) ? amount(row.standardError) : ''}</td>
<td class="n wide">${Number.isFinite(row.samples) ? row.samples.toLocaleString('en') : ''}</td><td class="n">${(row.share * 100).toFixed(1)} %</td></tr>
`,
)}
</table></div>`
}

function notes(sentences: readonly string[]): Html | null {
  if (sentences.length === 0) return null
  return html`<section class="card">
<h2>What is missing</h2>
<ul class="evidence">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>
</section>`
}
