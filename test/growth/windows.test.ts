import assert from 'node:assert/strict'
import { test } from 'node:test'
import { windows } from '#dist/growth/windows'

const MINUTE = 60e3

test('the first window begins at the origin, however short the time', () => {
  assert.deepEqual(windows(5e3, 12e3), [{ start: 5e3, share: 0.25 }])
})

test('windows double, each is one to two lengths long, and the longest begins at the origin', () => {
  const found = windows(0, 10 * MINUTE)
  assert.equal(found[0]!.start, 0)
  const scales = found.map((_, i) => 30e3 * 2 ** (found.length - 1 - i))
  found.forEach(({ start }, i) => {
    const length = 10 * MINUTE - start
    assert.ok(length >= scales[i]! && length < 2 * scales[i]!, `${length} at scale ${scales[i]}`)
  })
})

test('a beginning stays where it is while its window grows', () => {
  assert.equal(windows(0, 61e3).at(-1)!.start, windows(0, 89e3).at(-1)!.start)
})

test('all beginnings of all scales in three days together spend no more than the whole error', () => {
  const spent = new Map<string, number>()
  for (let now = 0; now < 3 * 24 * 60 * MINUTE; now += 30e3) {
    const found = windows(0, now)
    found.forEach(({ start, share }, i) => {
      spent.set(`${found.length - i} ${start}`, share)
    })
  }
  const total = [...spent.values()].reduce((sum, share) => sum + share, 0)
  assert.ok(total > 0.9 && total <= 1, `${total}`)
})
