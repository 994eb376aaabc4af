import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Profile } from '#dist/profile/profile'
import { inAddon, inLibc, js, MAPPINGS, oddProfile, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'

interface File {
  $schema: string
  activeProfileIndex: number
  profiles: {
    type: string
    name: string
    unit: string
    startValue: number
    endValue: number
    samples: number[][]
    weights: number[]
  }[]
  shared: { frames: { name: string; file?: string; line?: number; col?: number }[] }
}

const parse = (json: string) => JSON.parse(json) as File

/** What speedscope's schema asks of a sampled profile. */
function check({ $schema, profiles, activeProfileIndex, shared }: File): void {
  assert.equal($schema, 'https://www.speedscope.app/file-format-schema.json')
  assert.ok(profiles[activeProfileIndex])
  for (const frame of shared.frames) {
    assert.deepEqual(
      Object.keys(frame).filter((key) => !['name', 'file', 'line', 'col'].includes(key)),
      [],
    )
    assert.equal(typeof frame.name, 'string')
    for (const place of [frame.line, frame.col]) assert.ok(place === undefined || place > 0)
    assert.ok(frame.file === undefined || typeof frame.file === 'string')
  }
  for (const { type, unit, samples, weights, startValue, endValue } of profiles) {
    assert.equal(type, 'sampled')
    assert.ok(['bytes', 'none'].includes(unit))
    assert.equal(samples.length, weights.length)
    assert.ok(weights.every((weight) => Number.isSafeInteger(weight) && weight > 0))
    assert.equal(startValue, 0)
    assert.equal(
      endValue,
      weights.reduce((sum, weight) => sum + weight, 0),
    )
    for (const sample of samples) assert.ok(sample.every((index) => shared.frames[index] !== undefined))
  }
}

test('speedscope gets stacks root first, and of each frame what is known', () => {
  const file = parse(
    new Profile(
      profileOf([
        {
          stack: [inLibc('malloc'), inAddon('', 0x2468), js('', '/app/a.js', 3, 5), js('eval', '')],
          live: { bytes: 9.6 },
        },
      ]),
    ).toSpeedscope(),
  )
  check(file)
  const [profile] = file.profiles
  assert.deepEqual(
    profile!.samples[0]!.map((index) => file.shared.frames[index]),
    [
      { name: 'eval', line: 1, col: 1 },
      { name: '(anonymous)', file: '/app/a.js', line: 3, col: 5 },
      { name: 'images.node+0x2468', file: MAPPINGS[2]!.path },
      { name: 'malloc', file: MAPPINGS[1]!.path },
    ],
  )
  assert.deepEqual(profile!.weights, [10])
  assert.equal(profile!.unit, 'bytes')
})

test('counts have no unit', () => {
  const file = parse(new Profile(profileOf([{ stack: [js('f')] }])).toSpeedscope({ value: 'allocated-count' }))
  assert.equal(file.profiles[0]!.unit, 'none')
  assert.equal(file.profiles[0]!.name, 'allocated count')
})

test('odd names arrive as they are, odd values do not arrive', () => {
  const file = parse(new Profile(oddProfile()).toSpeedscope({ showInternal: true }))
  check(file)
  const names = file.shared.frames.map(({ name }) => name)
  for (const name of ['__proto__', 'a;b', 'a\nb\r\nc', '</script><!--', '日本語 🚀 \u202e'])
    assert.ok(names.includes(name))
  check(parse(new Profile(profileOf([])).toSpeedscope()))
})

test('a large profile keeps its total', () => {
  const columns = syntheticProfile({ seed: 6, traces: 2000, frames: 500, depth: 30 })
  const file = parse(new Profile(columns).toSpeedscope())
  check(file)
  assert.equal(
    file.profiles[0]!.endValue,
    columns.live.bytes.reduce((sum, bytes) => sum + Math.round(bytes), 0),
  )
})
