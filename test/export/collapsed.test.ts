import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Profile } from '#dist/profile/profile'
import { inAddon, inLibc, inNode, js, oddProfile, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'

/** As flamegraph.pl reads a line: what is no such line it ignores. */
const LINE = /^[^;].* \d+$/

test('a collapsed profile has a line a stack, root first, with where the code is', () => {
  const stack = [inLibc('malloc'), inAddon('Retain'), js('resize', '/app/thumbs.js', 41), js('main', '/app/main.js', 0)]
  assert.equal(
    new Profile(profileOf([{ stack, live: { bytes: 4096.4 } }])).toCollapsed(),
    'main (/app/main.js);resize (/app/thumbs.js:41);Retain [images.node];malloc [libc.so.6] 4096\n',
  )
})

test('stacks that look alike are one line, the largest first', () => {
  const collapsed = new Profile(
    profileOf([
      { stack: [js('b')], live: { bytes: 1 } },
      { stack: [inAddon('Retain', 0x2000), js('a')], live: { bytes: 2 }, region: 'r' },
      { stack: [inAddon('Retain', 0x2010), js('a')], live: { bytes: 3 }, thread: 'worker' },
    ]),
  ).toCollapsed()
  assert.equal(collapsed, 'a (/app/server.js:1);Retain [images.node] 5\nb (/app/server.js:1) 1\n')
})

test('of Node only the frame nearest the leaf is shown, unless all are wanted', () => {
  const profile = new Profile(
    profileOf([
      {
        stack: [inLibc('malloc'), inNode('Allocate'), js('alloc', 'node:buffer', 3), js('f'), inNode('Start')],
        live: { bytes: 9 },
      },
    ]),
  )
  assert.equal(profile.toCollapsed(), 'f (/app/server.js:1);Allocate [node];malloc [libc.so.6] 9\n')
  assert.equal(
    profile.toCollapsed({ showInternal: true }),
    'Start [node];f (/app/server.js:1);alloc (node:buffer:3);Allocate [node];malloc [libc.so.6] 9\n',
  )
})

test('each of the four values can be collapsed', () => {
  const profile = new Profile(
    profileOf([{ stack: [js('f')], live: { bytes: 1, count: 2 }, allocated: { bytes: 3, count: 4 } }]),
  )
  const values = (['live-bytes', 'live-count', 'allocated-bytes', 'allocated-count'] as const).map((value) => {
    return profile.toCollapsed({ value }).trim().split(' ').at(-1)
  })
  assert.deepEqual(values, ['1', '2', '3', '4'])
})

test('no name and no value breaks a line or a stack', () => {
  const lines = new Profile(oddProfile()).toCollapsed({ showInternal: true }).split('\n')
  assert.equal(lines.pop(), '')
  for (const line of lines) {
    assert.match(line, LINE)
    assert.ok(Number(line.split(' ').at(-1)) > 0, line)
    for (const frame of line.replace(/ \d+$/, '').split(';')) assert.notEqual(frame.trim(), '', line)
  }
  assert.equal(Math.max(...lines.map((line) => line.split(';').length)), 128)
})

test('what shrank or stayed the same is not drawn', () => {
  const before = new Profile(profileOf([{ stack: [js('f')], live: { bytes: 9 } }]))
  assert.equal(new Profile(profileOf([])).diff(before).toCollapsed(), '')
  assert.equal(before.diff(before).toCollapsed(), '')
})

test('the lines of a large profile sum to its total', () => {
  const columns = syntheticProfile({ seed: 5, traces: 2000, frames: 500, depth: 30 })
  const lines = new Profile(columns).toCollapsed().trimEnd().split('\n')
  assert.ok(lines.every((line) => LINE.test(line)))
  assert.equal(
    lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
    columns.live.bytes.reduce((sum, bytes) => sum + Math.round(bytes), 0),
  )
})
