'use strict'
/**
 * Runs one program of the corpus: its work, at its pace, for its time; then says its truth in one line of JSON on stdout.
 * The truth is measured, by the program itself: what it keeps is counted as it is kept.
 */

const { execFileSync } = require('node:child_process')
const { writeSync } = require('node:fs')
const { setTimeout: delay } = require('node:timers/promises')
const { getHeapStatistics } = require('node:v8')

const TICK_MS = 20
/** Between two points of what is kept: at every tick, two minutes of them would be a leak of their own, of 2 MiB. */
const POINT_S = 0.5

/** In a child that measures what one piece of work keeps; see `costOf`. */
const CALIBRATING = process.argv[2] === 'calibrate'

/** Bytes kept so far, by owner. */
const kept = new Map()

/** Counts bytes that are kept from now on. */
exports.keeps = (owner, bytes) => kept.set(owner, (kept.get(owner) ?? 0) + bytes)

const MEASURES = {
  /** Of the JS heap: what survives a collection. */
  heap: { calls: 2000, read: () => getHeapStatistics().used_heap_size },
  /** Of anything else: RSS, which is coarse, so that each call should keep a few KiB at least. */
  rss: { calls: 200, read: () => process.memoryUsage.rss() },
}

/**
 * Bytes that one call of `work` keeps, where the layout of what it keeps is not ours to know: measured in a child process,
 * by V8's count of used bytes after collections, or by RSS.
 */
exports.costOf = (measure, work) => {
  if (!CALIBRATING) {
    return Number(execFileSync(process.execPath, ['--expose-gc', process.argv[1], 'calibrate'], { encoding: 'utf8' }))
  }
  measureCost(MEASURES[measure], work).then((bytes) => {
    writeSync(1, String(bytes))
    process.exit()
  })
  return Number.NaN
}

async function measureCost({ calls, read }, work) {
  const settled = async () => {
    for (let i = 0; i < 3; i++) {
      global.gc()
      await delay(50)
    }
    return read()
  }
  // The first calls compile the code and grow the tables that all later ones share.
  let done = 0
  while (done < calls / 4) await work(done++)
  const before = await settled()
  for (let n = 0; n < calls; n++) await work(done++)
  return ((await settled()) - before) / calls
}

/**
 * @param seconds how long the program runs
 * @param perSecond how often it calls `work(i)`, awaiting its promise if it gives one; what it is late with it makes up for
 * @param before is awaited first
 * @param truth as `leak(…)` or `noLeak(…)` of truth.js make it
 */
exports.run = async ({ seconds, perSecond, before, work, truth }) => {
  if (CALIBRATING) return
  await before?.()
  const began = performance.now()
  const history = []
  let done = 0
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - began) / 1000) {
    const due = Math.floor(elapsed * perSecond)
    const calls = []
    // Not `work(…)`, which V8 would inline into this loop. No framework is inlined around what a service does.
    while (done < due) calls.push(Reflect.apply(work, undefined, [done++]))
    await Promise.all(calls)
    const now = (performance.now() - began) / 1000
    if (now >= (history.at(-1)?.seconds ?? 0) + POINT_S) history.push({ seconds: now, bytes: new Map(kept) })
    await delay(TICK_MS)
  }
  const steady = history.filter((point) => point.seconds > seconds / 4)
  const causes = truth.causes.map((cause) => ({ ...cause, bytesPerHour: slopeOf(steady, cause.owner) * 3600 }))
  writeSync(1, `${JSON.stringify({ ...truth, causes })}\n`)
  process.exit()
}

/** Bytes per second by least squares: programs that keep something large once a second grow in steps. */
function slopeOf(points, owner) {
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length
  const bytesOf = ({ bytes }) => bytes.get(owner) ?? 0
  const at = mean(({ seconds }) => seconds)
  const level = mean(bytesOf)
  return mean((point) => (point.seconds - at) * (bytesOf(point) - level)) / mean(({ seconds }) => (seconds - at) ** 2)
}
