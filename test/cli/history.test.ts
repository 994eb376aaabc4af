import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Reading } from 'tidemark'
import { OWNERS } from '#dist/owners'
import { History } from '#dist/report/history'

function reading(t: number, rss: number): Reading {
  return { t, rss, anon: rss, file: 0, shmem: 0, swap: 0, owners: { malloc: rss } }
}

test('a few readings are all kept, in order', () => {
  const history = new History()
  for (let i = 0; i < 10; i++) history.add(reading(i, 100 - i))
  assert.deepEqual(
    history.points().map(({ t }) => t),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
})

test('a million readings become a bounded picture that keeps the ends and the peak', () => {
  const history = new History()
  for (let i = 0; i < 1_000_000; i++) history.add(reading(i, i === 123_457 ? 5000 : 1000 + (i % 7)))
  const points = history.points()
  assert.ok(points.length <= 402, `${points.length} points`)
  assert.ok(points.length >= 200, `${points.length} points`)
  assert.equal(points[0]!.t, 0)
  assert.equal(points.at(-1)!.t, 999_999)
  assert.ok(points.some(({ t, rss }) => t === 123_457 && rss === 5000))
  assert.equal(history.peakRss, 5000)
  assert.ok(points.every(({ t }, i) => i === 0 || t > points[i - 1]!.t))
})

test('owners are shown as they were found: what moved while they were carried on is no owner’s', () => {
  const history = new History()
  const owners = { malloc: 100, unexplained: 0 }
  history.add({ ...reading(0, 100), owners: {} })
  history.add({ ...reading(1, 100), owners })
  history.add({ ...reading(2, 150), owners: { ...owners, unexplained: 50 }, carried: ['malloc', 'unexplained'] })
  history.add({ ...reading(3, 150), owners: { malloc: 100, file: 50 }, carried: ['malloc'] })
  history.add({ ...reading(4, 170), owners: { malloc: 100, file: 50, unexplained: 20 }, carried: [...OWNERS] })
  assert.deepEqual(
    history.told().map(({ t }) => t),
    [1, 3],
  )
  assert.deepEqual(
    history.points().map(({ rss }) => rss),
    [100, 100, 150, 150, 170],
  )
})
