import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameNames, nativeSamples } from '#dist/profile/native-sampler'
import { ScriptPositions } from '#dist/profile/script-positions'
import { FRAME_CELLS, MODULE_CELLS, type RawSamples, TRACE_CELLS } from '#dist/seam'
import { random } from '../growth/random.js'

const JS = 1
const NATIVE = 2
const UNKNOWN = 0

interface RawFrame {
  kind: number
  name?: string
  inlined?: string
  module?: number
}

const MODULES = [
  { path: '/usr/bin/node', kind: 0, own: 0 },
  { path: '/app/tidemark.node', kind: 1, own: 1 },
  { path: '/app/images.node', kind: 1, own: 0 },
]
const [NODE, TIDEMARK, IMAGES] = [0, 1, 2]

/** As the addon hands it over. Stacks are indices in `frames`, leaf first; each trace has one sample of 100 bytes. */
function rawSamples(frames: RawFrame[], stacks: number[][], threads: number[] = []): RawSamples {
  const strings: string[] = []
  const string = (text: string | undefined) => (text === undefined ? -1 : strings.push(text) - 1)
  const raw: RawSamples = {
    seconds: 1,
    interval: 4096,
    frames: new Float64Array(frames.length * FRAME_CELLS.length),
    modules: new Float64Array(MODULES.length * MODULE_CELLS.length),
    traces: new Float64Array(stacks.length * TRACE_CELLS.length),
    stack: Uint32Array.from(stacks.flat()),
    strings,
  }
  for (const [i, { path, kind, own }] of MODULES.entries()) {
    raw.modules.set([string(path), -1, 0x1000, 0x9000, 0, kind, own], i * MODULE_CELLS.length)
  }
  for (const [i, { kind, name, inlined, module = -1 }] of frames.entries()) {
    raw.frames.set([kind, string(name), string(inlined), -1, module, 0x2000 + i, 0x2000], i * FRAME_CELLS.length)
  }
  let first = 0
  for (const [i, stack] of stacks.entries()) {
    const sums = [1, 100, 1, 9, 1]
    const touched = 60
    const row = [first, stack.length, 0, 0, threads[i] ?? 0, ...sums, ...sums, ...sums, touched]
    raw.traces.set(row, i * TRACE_CELLS.length)
    first += stack.length
  }
  return raw
}

async function columnsOf(raw: RawSamples, names = new FrameNames()) {
  return (await samplesOf(raw, names)).columns
}

function samplesOf(raw: RawSamples, names = new FrameNames()) {
  return nativeSamples(raw, {
    startedAt: 0,
    oldMs: 2000,
    regions: [''],
    regionKinds: [''],
    threads: ['main', ''],
    regionThread: 'main',
    positions: new ScriptPositions(),
    names,
    notes: [],
  })
}

const functionsOf = ({ frames, stackFrames, starts }: Awaited<ReturnType<typeof columnsOf>>, trace: number) =>
  Array.from(stackFrames.subarray(starts[trace], starts[trace + 1]), (frame) => frames[frame]!.function)

test('an inlined call is two frames, what is unknown and what is of tidemark is none', async () => {
  const frames: RawFrame[] = [
    { kind: NATIVE, name: 'hook', module: TIDEMARK },
    { kind: NATIVE, name: 'images::decode()', module: IMAGES },
    { kind: JS, name: 'JS:*handler /app/a.js:7:1', inlined: 'JS:*decode /app/b.js:3:1' },
    { kind: UNKNOWN },
    { kind: NATIVE, module: NODE },
  ]
  const columns = await columnsOf(rawSamples(frames, [[0, 1, 2, 3, 4]]))
  assert.deepEqual(functionsOf(columns, 0), ['images::decode()', 'decode', 'handler', 'node+0x2004'])
  assert.deepEqual(
    columns.frames.map(({ inlined }) => inlined),
    [false, true, false, false],
  )
})

test('who asked for a block tells its owner, and what a nameless thread began with tells the thread', async () => {
  const frames: RawFrame[] = [
    { kind: NATIVE, name: 'node::NodeArrayBufferAllocator::Allocate(unsigned long)', module: NODE },
    { kind: JS, name: 'JS:~keep /app/a.js:1:1' },
    { kind: NATIVE, name: 'images::decode()', module: IMAGES },
    { kind: NATIVE, name: 'uv__work', module: NODE },
  ]
  const stacks = [
    [0, 1],
    [2, 1, 0],
    [2, 3],
  ]
  const { owner, thread, threads } = await columnsOf(rawSamples(frames, stacks, [0, 0, 1]))
  assert.deepEqual([...owner], [1, 0, 0], 'what is above the JavaScript did not ask for the block')
  assert.deepEqual(
    Array.from(thread, (i) => threads[i]),
    ['main', 'main', 'libuv pool'],
  )
})

test('what is touched of ArrayBuffers is summed over those who asked for them, with the error of the samples', async () => {
  const frames: RawFrame[] = [
    { kind: NATIVE, name: 'node::NodeArrayBufferAllocator::Allocate(unsigned long)', module: NODE },
    { kind: JS, name: 'JS:~keep /app/a.js:1:1' },
    { kind: NATIVE, name: 'images::decode()', module: IMAGES },
  ]
  const { buffers } = await samplesOf(
    rawSamples(frames, [
      [0, 1],
      [2, 1],
      [0, 2, 1],
    ]),
  )
  assert.deepEqual(buffers, { resident: 120, standardError: Math.sqrt(18) })
})

test('the event loop turns while many stacks are read, and the next time names are known', async () => {
  const { uniform } = random(7)
  const frames = Array.from({ length: 12_000 }, (_, i): RawFrame => {
    return i % 3 === 0
      ? { kind: NATIVE, name: `images::Klass${i}::method(std::vector<int> const&)`, module: IMAGES }
      : { kind: JS, name: `JS:*function${i} /app/src/file${i % 257}.js:${1 + (i % 999)}:1` }
  })
  const stacks = Array.from({ length: 20_000 }, () =>
    Array.from({ length: 30 }, () => Math.floor(frames.length * uniform() ** 3)),
  )
  const raw = rawSamples(frames, stacks)
  const names = new FrameNames()
  let turns = 0
  let reading = true
  const count = () => {
    turns++
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  const columns = await columnsOf(raw, names)
  reading = false
  assert.ok(turns >= 2, `${turns} turns`)
  assert.equal(columns.source.length, 20_000)
  assert.deepEqual(await columnsOf(raw, names), columns)
})
