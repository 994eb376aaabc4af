/** What a region adds to the call that it is around. */

import { eachRound, inRounds } from '../rounds.js'
import { Subject } from '../subject/start.js'
import { added, type Row, timesThePrice } from '../table.js'
import { SMALL } from './shapes.js'

const ROUNDS = 61
const CALLS = 400_000
const MEASURED_CALLS = 2_000
const OWN_WORK = 300

export async function regionCalls(): Promise<Row[]> {
  const subject = await Subject.start(SMALL)
  const rounds = await inRounds(ROUNDS, {
    bare: subject.measure('bareCall', CALLS),
    call: subject.measure('regionCall', CALLS),
    enter: subject.measure('regionEnter', CALLS),
    wrap: subject.measure('regionWrap', CALLS),
    measured: subject.measure('measuredRegion', MEASURED_CALLS),
    usage: subject.measure('usage', MEASURED_CALLS),
    rusage: subject.measure('rusageThread', MEASURED_CALLS),
  })
  await subject.stop()
  const unmeasured = (how: string, ours: number[]) =>
    added({ what: `${how}, not measured`, ours, theirs: rounds.bare, against: 'the bare call' }, 15)
  return [
    unmeasured('`region(name, fn)`', rounds.call),
    unmeasured('`region.enter(name)` and `leave()`', rounds.enter),
    unmeasured('`region.wrap(name, fn)`', rounds.wrap),
    timesThePrice(
      {
        what: '`region(name, fn)`, measured',
        ours: rounds.measured,
        theirs: eachRound((usage, rusage) => 2 * (usage + rusage) + OWN_WORK, rounds.usage, rounds.rusage),
        against: `2 × (\`usage()\` + \`rusage('thread')\`) + ${OWN_WORK} ns`,
      },
      1,
    ),
  ]
}
