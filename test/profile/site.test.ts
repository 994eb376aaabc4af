import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { siteFinder, siteFrame, stackFrame } from '#dist/profile/site'
import { DIST } from '../cli/tidemark.js'
import { inAddon, inLibc, inNode, js, MAPPINGS, profileOf } from './profiles.js'

const siteOf = (...stack: ReturnType<typeof js>[]) => siteFrame(stack, MAPPINGS)?.function

test('the site of a stack is the first function of the program, not who passed memory on', () => {
  const main = js('main', '/app/main.js')
  assert.equal(
    siteOf(inLibc('malloc'), inNode('node::Buffer::New'), js('from', 'node:buffer'), js('upload'), main),
    'upload',
  )
  assert.equal(siteOf(inLibc('malloc'), js('parse', '/app/node_modules/qs/parse.js'), main), 'parse')
  assert.equal(siteOf(js('f', 'evalmachine.<anonymous>'), main), 'f')
})

test('the site of a stack through an addon is the function of the addon', () => {
  const line = js('resize', '/app/thumbs.js', 41)
  assert.equal(siteOf(inLibc('malloc'), inAddon('Retain'), inNode('FunctionCallbackWrapper'), line), 'Retain')
  for (const passing of [
    'operator new',
    'malloc',
    'std::vector<app::Image>::push_back',
    'void std::vector<app::Image>::_M_realloc_insert<app::Image>',
    'std::__new_allocator<char>::allocate',
    'alloc::raw_vec::finish_grow',
    '<alloc::vec::Vec<T> as core::clone::Clone>::clone',
    '__rust_alloc',
    'sqlite3DbMallocRawNN',
    'g_realloc_n',
    'xmalloc',
    'vips_tracked_aligned_alloc',
  ]) {
    assert.equal(siteOf(inAddon(passing), inAddon('Retain'), line), 'Retain', passing)
  }
  for (const own of [
    'app::Cache<int, std::less<int>>::add',
    'mallocator',
    'allocate_texture',
    'newImage',
    'stdlib_init',
  ]) {
    assert.equal(siteOf(inAddon(own), inAddon('Retain'), line), own)
  }
})

test('libraries of the system pass memory on, libraries of an addon do not', () => {
  const inLibrary = (path: string) => {
    const mappings = [...MAPPINGS, { ...MAPPINGS[1]!, path }]
    return siteFrame([{ ...inLibc('work'), mapping: 3 }, js('main')], mappings)?.function
  }
  for (const name of [
    'libc.so.6',
    'libc-2.28.so',
    'ld-linux-x86-64.so.2',
    'ld-musl-x86_64.so.1',
    'libstdc++.so.6.0.30',
    'libc++.so.1',
    'libgcc_s.so.1',
    'libjemalloc.so.2',
    'libnode.so.108',
    'tidemark.glibc.node',
    'tidemark.node',
  ]) {
    assert.equal(inLibrary(`/usr/lib/${name}`), 'main', name)
  }
  for (const name of ['libvips-cpp.so.42', 'better_sqlite3.node', 'libcairo.so.2', 'tidemarks.node']) {
    assert.equal(inLibrary(`/usr/lib/${name}`), 'work', name)
  }
})

test("tidemark's own functions are never the site", () => {
  for (const file of [
    join(DIST, 'regions/region.js'),
    join(dirname(DIST), 'src/regions/region.ts'),
    '/app/node_modules/tidemark/dist/regions/region.js',
  ]) {
    assert.equal(siteOf(inLibc('malloc'), js('wrapped', file), js('main')), 'main', file)
  }
})

test('a stack without code of the program is named by its first JavaScript, else by its leaf', () => {
  const open = js('open', 'node:fs')
  assert.equal(siteOf(inLibc('malloc'), inNode('uv_fs_open'), open, js('wrap', 'node:internal/x')), 'open')
  assert.equal(siteOf(inLibc('malloc'), js('ArrayMap', ''), open), 'open')
  assert.equal(siteOf(inLibc('malloc'), js('ArrayMap', '')), 'ArrayMap')
  assert.equal(siteOf(inLibc('malloc'), inNode('worker')), 'malloc')
  assert.equal(siteOf(), undefined)
})

test('the traces of a profile have the sites that their stacks have', () => {
  const stacks = [
    [inLibc('malloc'), inAddon('Retain'), js('main')],
    [inLibc('malloc'), js('open', 'node:fs')],
    [inNode('worker')],
    [],
  ]
  const siteOfTrace = siteFinder(profileOf(stacks.map((stack) => ({ stack }))))
  stacks.forEach((stack, i) => {
    assert.deepEqual(siteOfTrace(i), siteFrame(stack, MAPPINGS))
  })
})

test('a native function without a source is shown in the file that holds its code', () => {
  assert.deepEqual(stackFrame(inAddon('Retain'), MAPPINGS), {
    function: 'Retain',
    file: MAPPINGS[2]!.path,
    line: 0,
    column: 0,
    kind: 'native',
  })
})
