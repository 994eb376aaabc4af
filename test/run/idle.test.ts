/** What tidemark itself costs a process that does nothing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTimeline } from '#dist/run/timeline'
import { temporaryFolder, tidemark, write } from '../cli/tidemark.js'
import { onOtherNode } from '../main-node.js'

const MIB = 2 ** 20

test('a process that does nothing does not grow by being sampled', { skip: onOtherNode }, async (t) => {
  const folder = temporaryFolder(t)
  const script = write(folder, 'idle.js', 'setTimeout(() => {}, 20_000)')
  await tidemark(t, ['run', '--out', `${folder}/run`, script])
  const readings = [...readTimeline(`${folder}/run/timeline.ndjson`, () => assert.fail('a line was skipped'))]
  const [first] = readings
  const later = readings.filter((reading) => reading.t >= first!.t + 8000 && reading.heap)
  assert.ok(later.length >= 8, `${later.length} readings`)
  // Pages of Node's own binary, which come with the code that is called, are not its growth.
  const anon = later.map((reading) => reading.anon)
  // Its first 8 s, with the addon, the inspector and the tables of the sampler: 6 MiB are usual, 12 were seen on a busy machine, 22
  // before that was worked on.
  const began = Math.max(...anon.slice(0, 2)) - first!.anon
  assert.ok(began < 17 * MIB, `it took ${(began / MIB).toFixed(1)} MiB at first`)
  // Next to nothing that is in use afterwards: up to 1.4 MiB were seen in 12 s, most of it with the snapshot at the end.
  const inUse = later.map(({ anon, owners }) => anon - owners['js-heap']! - owners['malloc-free']!)
  const more = Math.max(...inUse) - Math.max(...inUse.slice(0, 2))
  assert.ok(more < 3 * MIB, `it grew by ${(more / MIB).toFixed(1)} MiB more`)
  // V8's compilers allocate MiBs whenever code of tidemark's has become hot, and libc keeps them: up to 4.8 MiB on a busy machine.
  const kept = Math.max(...later.map(({ owners }) => owners['malloc-free']!))
  assert.ok(kept < 9 * MIB, `libc keeps ${(kept / MIB).toFixed(1)} MiB`)
  // The JS heap shrinks once, by 2 MiB, at some time in the first ten seconds; what it grows by is seen from where it was highest.
  const heaps = readings.flatMap(({ heap, owners }) => (heap ? [owners['js-heap']!] : []))
  const heap = heaps.at(-1)! - Math.max(...heaps.slice(0, -later.length))
  assert.ok(heap < 2 * MIB, `its JS heap grew by ${(heap / MIB).toFixed(1)} MiB`)
})
