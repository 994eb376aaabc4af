import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSampling } from '#dist/run/settings'

test('a sampling interval is a size from 4 KiB on, and 0 or off samples nothing', () => {
  assert.equal(parseSampling('512KiB'), 512 * 1024)
  assert.equal(parseSampling('4096'), 4096)
  assert.equal(parseSampling(' 1.5 mib '), 1.5 * 2 ** 20)
  assert.equal(parseSampling('0'), 0)
  assert.equal(parseSampling('Off'), 0)
})

test('what is no sampling interval is an error that says what is one', () => {
  for (const text of ['', 'often', '512KB', '-1', '4095', '1KiB', '1', '2GiB', '1e9TiB', 'NaN']) {
    assert.throws(() => parseSampling(text), { code: 'ERR_TIDEMARK_ARGUMENT' }, text)
  }
  assert.throws(() => parseSampling('1KiB'), { message: /'1KiB'.*4 KiB to 1 GiB.*'off'/ })
})
