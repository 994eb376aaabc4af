import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { CURVE_MS, deadZone, TRIVIAL_BYTES } from '#dist/growth/kind'
import { leakOrigin, SHORTEST_RUN_MS } from '#dist/growth/owner-trend'
import { worthSaying } from '#dist/growth/retention'
import { windows } from '#dist/growth/windows'
import { formatBytes, formatDuration, formatRate } from '#dist/units'

const HOUR = 3600e3

test('docs/verdicts.md gives the parameters that the code has', () => {
  const page = readFileSync(resolve(__dirname, '../../../docs/verdicts.md'), 'utf8')
  /** Of the longest window after so many ms, rounded down to a length. */
  const lengths = (after: number[]) => after.map((ms) => 30 * 2 ** (windows(0, ms).length - 1)).join(', ')
  const value = (parameter: string) => {
    const row = page.split('\n').find((line) => line.startsWith(`| ${parameter}`))
    return row?.split('|')[2]?.trim() ?? ''
  }
  const dead = (ms: number) => formatRate(deadZone(ms, 0) * HOUR, { like: ms < HOUR ? Infinity : 1 })
  assert.equal(value('growth that is a cause of nothing'), `${formatBytes(TRIVIAL_BYTES)} in all`)
  assert.equal(
    value('dead zone of the slope'),
    `${dead(20e3)} over 20 s, ${dead(HOUR)} over an hour, ${dead(24 * HOUR)} over a day; never below 0.5 % of the owner's size an hour`,
  )
  assert.equal(deadZone(24 * HOUR, 2 ** 40), (0.005 * 2 ** 40) / HOUR)
  assert.equal(value('shortest window'), formatDuration(CURVE_MS))
  assert.equal(value('shortest run'), formatDuration(SHORTEST_RUN_MS))
  assert.equal(value('start of a run'), `a quarter of the time seen, ${formatDuration(leakOrigin(HOUR))} at most`)
  assert.equal(leakOrigin(20e3), 5e3)
  assert.equal(value('windows').split(' … ')[0], lengths([45e3, 90e3, 150e3]))
  assert.match(
    value('retention that does not grow'),
    new RegExp(`^${formatBytes(worthSaying(0))} and ${(worthSaying(2 ** 40) / 2 ** 40) * 100} % of RSS`),
  )
})
