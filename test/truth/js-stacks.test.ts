/** Whether a stack names the function that allocated, whatever V8 has made of it. Each site has a size of its own. */

import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { temporaryFolder, write } from '../cli/tidemark.js'
import { noGlibc } from '../native-fixtures.js'
import { runProgram, type StackFrame } from './program.js'
import { ASYNC, type Form, PLAIN, type Sites, writeSites } from './sites.js'

interface Said {
  size: number
  count: number
  thread: string
  /** JavaScript frames only, leaf first. */
  stack: StackFrame[]
}

interface Case {
  form?: Form
  count?: number
  calls?: number
  prepare?: string
  how?: string
  flags?: string[]
}

/** Has each site compiled by Turbofan, whatever V8 would do by itself. */
const OPTIMIZE = `for (const site of sites) {
    %PrepareFunctionForOptimization(site); site(); site(); %OptimizeFunctionOnNextCall(site); site()
  }`

async function callSites(t: TestContext, options: Case): Promise<{ said: Said[]; sites: Sites }> {
  const { form = PLAIN, count = 200, calls = 5, prepare, how = 'main', flags = [] } = options
  const sites = writeSites(temporaryFolder(t), count, form, prepare)
  const { module, low, high } = sites
  return { said: await runProgram<Said[]>('sites', { module, low, high, calls, how }, { flags }), sites }
}

/** Every block of a site has its function as the first of the user's own, in the right file and line. */
function assertNamed({ said, sites }: { said: Said[]; sites: Sites }, least: number): void {
  const bySize = new Map(sites.sites.map((site) => [site.size, site]))
  const counts = new Map<number, number>()
  for (const { size, count, stack } of said) {
    const site = bySize.get(size)
    if (site === undefined) continue
    const frame = stack.find(({ file }) => !file.startsWith('node:'))
    const shown = JSON.stringify(stack.map((f) => `${f.function} ${f.file}:${f.line}`))
    assert.ok(frame, `the stack of ${site.name} has no JavaScript: ${shown}`)
    assert.equal(frame.function, site.name, shown)
    assert.equal(realpathSync(frame.file), sites.module)
    assert.equal(frame.line, site.line)
    counts.set(size, (counts.get(size) ?? 0) + count)
  }
  for (const site of sites.sites) {
    assert.ok(
      (counts.get(site.size) ?? 0) >= least,
      `${counts.get(site.size) ?? 0} blocks of ${site.name} were sampled`,
    )
  }
}

const CASES: Record<string, Case> = {
  'as V8 runs them': {},
  'in the interpreter': { flags: ['--no-opt', '--no-sparkplug', '--no-lazy-feedback-allocation'] },
  'in baseline code': { flags: ['--no-opt', '--always-sparkplug'] },
  'in optimized code': { flags: ['--allow-natives-syntax'], prepare: OPTIMIZE },
  'after an await': { form: ASYNC, calls: 2 },
  'in a worker': { how: 'worker' },
  'while the heap is compacted all the time': { flags: ['--stress-compaction', '--gc-interval=500'], calls: 3 },
  'while more functions come and go than are kept': { how: 'churn', calls: 3 },
}

for (const [name, options] of Object.entries(CASES)) {
  test(`200 sites are each named right ${name}`, { skip: noGlibc }, async (t) => {
    const result = await callSites(t, options)
    assertNamed(result, options.calls ?? 5)
    if (options.how === 'worker') {
      for (const { thread } of result.said) assert.notEqual(thread, 'main')
    }
  })
}

test('a callee that was inlined is named and labelled so, or its caller is named: never another', {
  skip: noGlibc,
}, async (t) => {
  const size = 30_011
  const folder = temporaryFolder(t)
  const module = write(
    folder,
    'inlined.js',
    `const kept = []
function callee() { kept.push(new ArrayBuffer(${size})) }
function caller() { let x = 0; for (let i = 0; i < 3; i++) x += i; callee(); return x }
function other() { return 1 }
exports.sites = [caller]
exports.prepare = () => {
  other();
  %PrepareFunctionForOptimization(callee); %PrepareFunctionForOptimization(caller)
  caller(); caller(); %OptimizeFunctionOnNextCall(caller); caller()
}
`,
  )
  const given = { module, low: size, high: size, calls: 20, how: 'main' }
  const said = await runProgram<Said[]>('sites', given, { flags: ['--allow-natives-syntax'] })
  let inlined = 0
  for (const { size: found, count, stack } of said) {
    if (found !== size) continue
    const own = stack.filter(({ file }) => file.endsWith('inlined.js'))
    assert.ok(['callee', 'caller'].includes(own[0]!.function), JSON.stringify(own))
    if (own[0]!.function === 'callee') assert.equal(own[1]!.function, 'caller')
    if (own[0]!.inlined) {
      assert.equal(own[0]!.function, 'callee')
      inlined += count
    }
  }
  assert.ok(inlined >= 20, `${inlined} blocks of the inlined callee were named by it`)
})

test('what V8 allocates in a collection has the JavaScript that set it off', { skip: noGlibc }, async (t) => {
  const said = await collected(t)
  // Marking and sweeping go on in other threads, which have no JavaScript.
  const onMain = said.filter(({ thread, inGc }) => thread === 'main' && inGc)
  assert.ok(onMain.length > 0, 'nothing was sampled in a collection')
  assert.ok(
    onMain.some(({ names }) => names.includes('collectHere')),
    'none had collectHere, which calls gc()',
  )
  // V8 may collect of itself too, while the session begins.
  for (const { names } of onMain) assert.ok(names.includes('exports.profiled'), names.join(' < '))
})

interface Collected {
  thread: string
  inGc: boolean
  names: string[]
}

function collected(t: TestContext): Promise<Collected[]> {
  t.diagnostic('collections set off by gc()')
  return runProgram<Collected[]>('collect', {}, { flags: ['--expose-gc'] })
}
