/** Days of memory that does nothing but fluctuate: each series a day of readings, one a second, each looked at. Takes hours. */

import { processOf, quiet } from './models.js'
import { observe } from './observe.js'
import { share } from './share.js'
import { rowsOf, type Table } from './tables.js'

const DAY = 86_400

export const days: Table = (options) => {
  const series = options.series ?? 1000
  return {
    title: `False alarms: ${series} series of a day each`,
    header: ['memory', 'ever a leak', 'alarms after'],
    rows: rowsOf([quiet(0, 2), quiet(0.6, 5)], options, (model) => {
      const alarms: number[] = []
      for (let i = 0; i < series; i++) {
        const { leakAt } = observe(processOf(model, i), { seconds: DAY, untilAlarm: true })
        if (leakAt < Number.POSITIVE_INFINITY) alarms.push(leakAt)
        if (i % 10 === 9) options.progress(`${i + 1} of ${series} days, ${alarms.length} alarms`)
      }
      return [share(alarms.length, series), alarms.map((second) => `${second} s`).join(', ') || 'none']
    }),
  }
}
