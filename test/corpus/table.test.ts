import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from 'tidemark'
import { type Judgement, judge, type Truth } from './judge.js'
import { type Row, table, totals } from './table.js'

const MIB_PER_S = 3600 * 2 ** 20
const RIGHT: Judgement = { kind: [], owner: [], site: [], rate: [] }

const leakTruth: Truth = {
  kinds: ['leak'],
  causes: [{ owner: 'malloc', bytesPerHour: 2 * MIB_PER_S, site: { function: 'retain', caller: 'handle' } }],
  along: [],
}
const leakVerdict: Verdict = {
  version: 1,
  kind: 'leak',
  causes: [
    {
      owner: 'malloc',
      kind: 'leak',
      growth: { bytesPerHour: 2.25 * MIB_PER_S, low: 2 * MIB_PER_S, high: 2.5 * MIB_PER_S },
      sites: [],
      remedy: '',
    },
  ],
  limit: null,
  evidence: [],
}
const steady: Row = {
  name: 'steady-service',
  runs: [
    {
      truth: { kinds: ['steady', 'warm-up'], causes: [], along: [] },
      verdict: { ...leakVerdict, kind: 'steady', causes: [] },
      judgement: RIGHT,
    },
  ],
}
const leaking: Row['runs'][number] = { truth: leakTruth, verdict: leakVerdict, judgement: RIGHT }

/** Its cells, of the only row. */
function cells(row: Row): string[] {
  const line = table([row]).split('\n')[2]!
  return line.slice(2, -2).split(' | ')
}

test('a row shows the truth beside the verdict, with the rate and its interval', () => {
  assert.deepEqual(cells({ name: 'addon-malloc', runs: [leaking] }), [
    ...['addon-malloc', 'leak + malloc retain ← handle', 'leak', 'malloc', ''],
    ...['2 MiB/s', '2.3 MiB/s (2 MiB/s to 2.5 MiB/s)', 'yes'],
  ])
})

test('a program without a leak has no rates', () => {
  assert.deepEqual(cells(steady), ['steady-service', 'steady or warm-up', 'steady', '', '', '', '', 'yes'])
})

test('of several runs the first that is wrong is shown, with what is wrong', () => {
  const wrong = { truth: leakTruth, verdict: steady.runs[0] as never, judgement: RIGHT }
  wrong.verdict = { ...leakVerdict, kind: 'unknown', causes: [] } as never
  wrong.judgement = judge(wrong.verdict, leakTruth)
  const row = cells({ name: 'a', runs: [leaking, wrong, leaking] })
  assert.equal(row[2], 'unknown')
  assert.equal(row.at(-1), '2 of 3: unknown instead of leak; malloc not named')
})

test('a program that did not end well is wrong, and its problem is told', () => {
  const row: Row = { name: 'a', runs: [{ problem: 'a did not end well (1):\nmore' }] }
  assert.equal(cells(row).at(-1), '**no**: a did not end well (1):')
  assert.equal(totals([row]), '0 of 1 programs right; false alarms: none')
})

test('totals count programs whose every run is right, and name false alarms', () => {
  const alarm = { ...steady.runs[0]!, verdict: leakVerdict } as { truth: Truth; verdict: Verdict; judgement: Judgement }
  alarm.judgement = judge(alarm.verdict, alarm.truth)
  const rows = [{ name: 'a', runs: [leaking, leaking] }, steady, { name: 'b', runs: [steady.runs[0]!, alarm] }]
  assert.equal(totals(rows), '2 of 3 programs right; false alarms: b')
})
