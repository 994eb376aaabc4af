import assert from 'node:assert/strict'
import { Session } from 'node:inspector'
import { test } from 'node:test'
import { readHeapProfile } from '#dist/export/read-heapprofile'
import { Profile } from '#dist/profile/profile'
import { inAddon, inLibc, inNode, js, MAPPINGS, oddProfile, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'

interface Node {
  callFrame: { functionName: string; scriptId: string; url: string; lineNumber: number; columnNumber: number }
  selfSize: number
  id: number
  children: Node[]
}

interface File {
  head: Node
  samples: { size: number; nodeId: number; ordinal: number }[]
}

const parse = (profile: Profile) => JSON.parse(profile.toHeapProfile()) as File

/** Every node, each checked as Chrome DevTools relies on it. */
function nodes({ head, samples }: File): Node[] {
  const found: Node[] = []
  for (const open = [head]; open.length > 0; ) {
    const node = open.pop()!
    const { functionName, scriptId, url, lineNumber, columnNumber } = node.callFrame
    for (const text of [functionName, scriptId, url]) assert.equal(typeof text, 'string')
    for (const number of [lineNumber, columnNumber]) assert.ok(Number.isSafeInteger(number) && number >= -1)
    assert.ok(Number.isSafeInteger(node.selfSize) && node.selfSize >= 0)
    found.push(node)
    open.push(...node.children)
  }
  const ids = new Set(found.map(({ id }) => id))
  assert.equal(ids.size, found.length)
  assert.equal(new Set(samples.map(({ ordinal }) => ordinal)).size, samples.length)
  assert.ok(samples.every(({ ordinal }) => Number.isSafeInteger(ordinal) && ordinal > 0))
  assert.ok(samples.every(({ nodeId, size }) => ids.has(nodeId) && size > 0))
  return found
}

test('a heap profile is a tree of callers, in positions from 0 and files as URLs', () => {
  const main = js('main', '/app/main #1.js', 1, 1)
  const file = parse(
    new Profile(
      profileOf([
        { stack: [inLibc('malloc'), js('f', '/app/main #1.js', 41, 7), main], live: { bytes: 100 } },
        { stack: [js('read', 'node:fs', 5, 3), main], live: { bytes: 20.4 } },
        { stack: [inLibc('malloc'), js('f', '/app/main #1.js', 41, 7), main], live: { bytes: 1 }, region: 'r' },
      ]),
    ),
  )
  nodes(file)
  const [root] = file.head.children
  assert.deepEqual(file.head.callFrame, {
    functionName: '(root)',
    scriptId: '0',
    url: '',
    lineNumber: -1,
    columnNumber: -1,
  })
  const url = 'file:///app/main%20%231.js'
  assert.deepEqual(root!.callFrame, { functionName: 'main', scriptId: '1', url, lineNumber: 0, columnNumber: 0 })
  const [f, read] = root!.children
  assert.deepEqual(f!.callFrame, { functionName: 'f', scriptId: '1', url, lineNumber: 40, columnNumber: 6 })
  assert.deepEqual(read!.callFrame.url, 'node:fs')
  assert.equal(read!.selfSize, 20)
  const [malloc] = f!.children
  assert.equal(malloc!.selfSize, 101)
  assert.equal(malloc!.callFrame.url, `file://${MAPPINGS[1]!.path}`)
  assert.equal(malloc!.callFrame.lineNumber, -1)
})

test('it has what a profile that V8 made has', () => {
  const session = new Session()
  session.connect()
  let v8: File | undefined
  session.post('HeapProfiler.startSampling', { samplingInterval: 1024 })
  const kept = Array.from({ length: 1000 }, (_, i) => ({ i, text: `kept ${i}` }))
  session.post('HeapProfiler.getSamplingProfile', (_error, { profile }) => {
    v8 = profile as unknown as File
  })
  session.disconnect()
  assert.equal(kept.length, 1000)
  const keys = (object: object) => Object.keys(object).sort()
  const ours = parse(new Profile(profileOf([{ stack: [js('f')], live: { bytes: 1 } }])))
  assert.deepEqual(keys(ours), keys(v8!))
  assert.deepEqual(keys(ours.head), keys(v8!.head))
  assert.deepEqual(keys(ours.head.callFrame), keys(v8!.head.callFrame))
  assert.deepEqual(keys(ours.samples[0]!), keys(v8!.samples[0]!))

  const read = new Profile(readHeapProfile(JSON.stringify(v8)))
  const total = nodes(v8!).reduce((sum, { selfSize }) => sum + selfSize, 0)
  assert.equal(read.total().value, total)
  assert.equal(read.top(1, { by: 'owner' })[0]!.owner, 'js-heap')
  assert.ok(read.top(100).some(({ file }) => file === __filename))
})

test('odd names and values, empty stacks and 128 frames make a tree that can be read', () => {
  const profile = new Profile(oddProfile())
  const file = parse(profile)
  const found = nodes(file)
  assert.deepEqual(
    file.samples.map(({ size, nodeId }) => [size, nodeId]),
    found.flatMap(({ selfSize, id }) => (selfSize > 0 ? [[selfSize, id]] : [])).sort(([, a], [, b]) => a! - b!),
  )
  assert.equal(file.head.selfSize, 7)
  for (const name of ['__proto__', 'constructor', '日本語 🚀 \u202e']) {
    assert.ok(found.some(({ callFrame }) => callFrame.functionName === name))
  }
  const read = new Profile(readHeapProfile(profile.toHeapProfile()))
  const { starts } = read.columns
  assert.equal(Math.max(...Array.from(starts.subarray(1), (end, i) => end - starts[i]!)), 128)
  assert.deepEqual(nodes(parse(new Profile(profileOf([])))).length, 1)
})

test('a heap profile that is read has the stacks and bytes that were written', () => {
  const columns = syntheticProfile({ seed: 7, traces: 1000, frames: 300, depth: 20 })
  const written = new Profile(columns)
  const read = new Profile(readHeapProfile(written.toHeapProfile()))
  assert.equal(
    read.total().value,
    columns.live.bytes.reduce((sum, bytes) => sum + Math.round(bytes), 0),
  )
  assert.ok(Number.isNaN(read.total().standardError))
  assert.deepEqual(read.total('allocated-bytes').value, read.total().value)
  const stack = [
    inLibc('malloc'),
    inAddon('Retain'),
    inNode('Call'),
    js('f', '/app/a b.js', 3, 4),
    js('g', 'node:x', 9),
  ]
  const { frames, stackFrames } = readHeapProfile(
    new Profile(profileOf([{ stack, live: { bytes: 1 } }])).toHeapProfile(),
  )
  assert.deepEqual(
    Array.from(stackFrames, (i) => `${frames[i]!.function} ${frames[i]!.file}:${frames[i]!.line}:${frames[i]!.column}`),
    [
      `malloc ${MAPPINGS[1]!.path}:0:0`,
      `Retain ${MAPPINGS[2]!.path}:0:0`,
      `Call ${MAPPINGS[0]!.path}:0:0`,
      'f /app/a b.js:3:4',
    ],
  )
})
