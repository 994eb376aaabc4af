import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findOrigins } from '#dist/profile/source-map-lookup'
import { SourceMaps } from '#dist/profile/source-maps'
import { inNode, js } from './profiles.js'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-maps-'))
after(() => rmSync(folder, { recursive: true }))

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function vlq(n: number): string {
  let rest = n < 0 ? -n * 2 + 1 : n * 2
  let text = ''
  do {
    text += DIGITS[(rest % 32) + (rest >= 32 ? 32 : 0)]
    rest = Math.floor(rest / 32)
  } while (rest > 0)
  return text
}

/** Lines of segments [column, source, line, column, name?] or [column], all counted from 0. */
function mappings(lines: number[][][]): string {
  const last = [0, 0, 0, 0, 0]
  return lines
    .map((segments) => {
      last[0] = 0
      return segments
        .map((segment) =>
          segment
            .map((value, i) => {
              const delta = value - last[i]!
              last[i] = value
              return vlq(delta)
            })
            .join(''),
        )
        .join(',')
    })
    .join(';')
}

const MAP = {
  version: 3,
  sources: ['../src/thumbs.ts', 'webpack://app/./b.ts'],
  names: ['resize', 'x'],
  mappings: mappings([
    [
      [0, 0, 0, 0],
      [9, 0, 40, 9, 0],
      [20, 1, 100000, 3],
    ],
    [],
    [[4, 0, 7, 2], [8]],
  ]),
}

function at(line: number, column: number, nameLength = 0) {
  return findOrigins(MAP, 'file:///app/dist/thumbs.js', [{ line, column, nameLength }])[0]
}

test('a place comes from the segment that it lies in', () => {
  assert.deepEqual(at(1, 5), { file: '/app/src/thumbs.ts', line: 1, column: 1, name: '' })
  assert.deepEqual(at(1, 12), { file: '/app/src/thumbs.ts', line: 41, column: 10, name: '' })
  assert.deepEqual(at(1, 99), { file: 'webpack://app/./b.ts', line: 100001, column: 4, name: '' })
  assert.deepEqual(at(3, 5), { file: '/app/src/thumbs.ts', line: 8, column: 3, name: '' })
})

test('what no segment of its own line covers comes from nowhere', () => {
  for (const [line, column] of [
    [2, 1],
    [3, 4],
    [3, 9],
    [4, 1],
  ] as const)
    assert.equal(at(line, column), null)
})

test('a minified function gets its name back, and only from the name that ends where V8 says that it begins', () => {
  assert.equal(at(1, 11, 1)?.name, 'resize')
  assert.equal(at(1, 12, 1)?.name, '')
  assert.equal(at(1, 11, 0)?.name, '')
})

test('many places in one map are found in one pass, whatever their order', () => {
  const places = [
    { line: 3, column: 5, nameLength: 0 },
    { line: 1, column: 99, nameLength: 0 },
    { line: 1, column: 1, nameLength: 0 },
    { line: 2, column: 1, nameLength: 0 },
    { line: 1, column: 99, nameLength: 0 },
  ]
  const together = findOrigins(MAP, 'file:///app/dist/thumbs.js', places)
  assert.deepEqual(
    together,
    places.map(({ line, column }) => at(line, column)),
  )
})

test('a map in sections is found by line and column of each section', () => {
  const section = (line: number, column: number, source: string) => ({
    offset: { line, column },
    map: { version: 3, sources: [source], sourceRoot: '/src', mappings: 'AAAA,EAAE;AACA' },
  })
  const map = { version: 3, sections: [section(0, 0, 'a.ts'), section(2, 10, 'b.ts')] }
  const find = (line: number, column: number) => {
    const origin = findOrigins(map, 'file:///app/x.js', [{ line, column, nameLength: 0 }])[0]
    return origin && `${origin.file}:${origin.line}:${origin.column}`
  }
  assert.equal(find(1, 4), '/src/a.ts:1:3')
  assert.equal(find(3, 11), '/src/b.ts:1:1')
  assert.equal(find(3, 13), '/src/b.ts:1:3')
  assert.equal(find(4, 1), '/src/b.ts:2:3')
})

test("Node's own reader of source maps agrees on every place of a real one, where it looks at the same line", () => {
  const script = join(__dirname, '../../../dist/profile/js-heap.js')
  const map = JSON.parse(readFileSync(`${script}.map`, 'utf8'))
  const reader = new SourceMap(map)
  const places = readFileSync(script, 'utf8')
    .split('\n')
    .flatMap((text, i) => Array.from(text, (_, column) => ({ line: i + 1, column: column + 1, nameLength: 0 })))
  const found = findOrigins(map, `file://${script}`, places)
  let compared = 0
  for (const [i, { line, column }] of places.entries()) {
    const entry = reader.findEntry(line - 1, column - 1)
    if (!('originalLine' in entry) || entry.generatedLine !== line - 1) continue
    compared++
    assert.deepEqual([found[i]?.line, found[i]?.column], [entry.originalLine + 1, entry.originalColumn + 1])
  }
  assert.ok(compared > 1000)
})

test('what is no source map is refused with the reason', () => {
  const place = [{ line: 1, column: 1, nameLength: 0 }]
  const broken = [
    null,
    3,
    {},
    { mappings: 1, sources: [] },
    { mappings: 'AAAA', sources: 'a' },
    { mappings: 'A!AA', sources: ['a'] },
    { mappings: 'AAAAAAAA', sources: ['a'] },
    { mappings: 'gggggggggggA', sources: ['a'] },
    { mappings: 'é', sources: ['a'] },
    { sections: {} },
    { sections: [null] },
    { sections: [{ offset: { line: 'x' } }] },
  ]
  for (const map of broken) assert.throws(() => findOrigins(map, 'file:///a', place), Error, JSON.stringify(map))
  assert.deepEqual(findOrigins({ mappings: 'AEAA', sources: ['a', null] }, 'file:///a', place), [null])
})

function script(name: string, ending: string, extra: Record<string, string> = {}): string {
  const path = join(folder, name)
  writeFileSync(path, `function f(){}\n\nfunction g(){}\n${ending}`)
  for (const [file, text] of Object.entries(extra)) writeFileSync(join(folder, file), text)
  return path
}

const INLINE = `data:application/json;charset=utf-8;base64,${Buffer.from(JSON.stringify(MAP)).toString('base64')}`

test('frames are shown where they were written, by a map in the script or beside it', async () => {
  const files = [
    script('inline.js', `//# sourceMappingURL=${INLINE}\n`),
    script('beside.js', '//# sourceMappingURL=b%20c.js.map', { 'b c.js.map': `)]}'\n${JSON.stringify(MAP)}` }),
    script('old.js', `/*@ sourceMappingURL=${INLINE} */`),
  ]
  for (const file of files) {
    const maps = new SourceMaps()
    const [frame] = await maps.apply([js('q', file, 1, 11)])
    assert.deepEqual(frame, { ...js('resize', join(folder, '../src/thumbs.ts'), 41, 10) }, file)
    assert.deepEqual(maps.problems, [])
  }
})

test('other frames stay as they are', async () => {
  const plain = script('plain.js', '')
  const frames = [
    inNode('malloc'),
    js('f', plain, 1, 11),
    js('f', '', 1, 1),
    js('f', 'node:fs', 1, 1),
    js('f', '/nowhere/at/all.js', 1, 1),
    js('f', folder, 1, 1),
    js('unmapped', script('inline2.js', `//# sourceMappingURL=${INLINE}`), 3, 1),
  ]
  const maps = new SourceMaps()
  assert.deepEqual(await maps.apply(frames), frames)
  assert.deepEqual(maps.problems, [])
})

test('a link counts only as the last comment: code may hold the words in a string', async () => {
  for (const [i, ending] of [
    `const s = "//# sourceMappingURL=${INLINE}"`,
    `//# sourceMappingURL=${INLINE}\nmore()`,
    'x("sourceMappingURL=")',
    '//# sourceMappingURL=',
    '//# sourceMappingURL=http://127.0.0.1:1/a.map',
  ].entries()) {
    const frame = js('q', script(`not-${i}.js`, ending), 1, 11)
    assert.deepEqual(await new SourceMaps().apply([frame]), [frame], ending)
  }
})

test('a broken map is said once and costs nothing else', async () => {
  const broken = script('broken.js', '//# sourceMappingURL=broken.map', { 'broken.map': '{"mappings":' })
  const device = script('device.js', '//# sourceMappingURL=/dev/zero')
  const missing = script('missing.js', '//# sourceMappingURL=not-shipped.map')
  const good = script('good.js', `//# sourceMappingURL=${INLINE}`)
  const maps = new SourceMaps()
  const frames = [js('q', broken, 1, 11), js('q', device, 1, 11), js('q', missing, 1, 11), js('q', good, 1, 11)]
  for (let i = 0; i < 2; i++) {
    const applied = await maps.apply(frames)
    assert.deepEqual(applied.slice(0, 3), frames.slice(0, 3))
    assert.equal(applied[3]!.line, 41)
  }
  assert.equal(maps.problems.length, 2)
  assert.match(maps.problems.join('\n'), /the source map of .*broken\.js cannot be used/)
  assert.match(maps.problems.join('\n'), /device\.js cannot be used \(no file, or too large\)/)
})

test('a script is asked once: what was found is kept when the file has gone', async () => {
  const file = script('gone.js', `//# sourceMappingURL=${INLINE}`)
  const maps = new SourceMaps()
  const frame = js('q', file, 1, 11)
  const first = await maps.apply([frame])
  rmSync(file)
  assert.deepEqual(await maps.apply([frame]), first)
})

test("Node's own table of maps comes first: a loader may have compiled what is on disk otherwise", async () => {
  const file = script('loaded.js', `//# sourceMappingURL=${INLINE}`)
  process.setSourceMapsEnabled(true)
  try {
    createRequire(__filename)(file)
  } finally {
    process.setSourceMapsEnabled(false)
  }
  writeFileSync(file, '')
  const [frame] = await new SourceMaps().apply([js('q', file, 1, 11)])
  assert.deepEqual(frame, js('resize', join(folder, '../src/thumbs.ts'), 41, 10))
})
