import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cause, Owner, Verdict } from 'tidemark'
import { isRight, judge, type Truth } from './judge.js'

const MIB_PER_S = 3600 * 2 ** 20

function cause(owner: Owner, rate: number, names: string[] = [], kind: Cause['kind'] = 'leak'): Cause {
  const stack = names.map((name) => ({ function: name, file: '/app/a.js', line: 1, column: 1, kind: 'js' as const }))
  const sites = stack.slice(0, 1).map((frame) => ({
    ...{ function: frame.function, file: frame.file, line: 1, region: null, stack },
    ...{ bytesPerHour: rate, bytesPerHourError: 0, liveBytes: 0, standardError: 0 },
  }))
  return { owner, kind, growth: { bytesPerHour: rate, low: 0.99 * rate, high: 1.01 * rate }, sites, remedy: '' }
}

function verdict(...causes: Cause[]): Verdict {
  return { version: 1, kind: causes[0]?.kind ?? 'steady', causes, limit: null, evidence: [] }
}

const LEAK: Truth = {
  kinds: ['leak'],
  causes: [{ owner: 'malloc', bytesPerHour: MIB_PER_S, site: { function: 'retain', caller: 'handle' } }],
  along: ['thread-stacks'],
}
const NO_LEAK: Truth = { kinds: ['steady', 'warm-up'], causes: [], along: [] }

test('a verdict that names the leak, its owner, site, caller and rate is right', () => {
  const judgement = judge(verdict(cause('malloc', MIB_PER_S, ['retain', 'handle'])), LEAK)
  assert.deepEqual(judgement, { kind: [], owner: [], site: [], rate: [] })
  assert.ok(isRight(judgement))
})

test('a leak that is called something else is wrong in kind, and its owner is not named', () => {
  const { kind, owner } = judge(verdict(cause('malloc', MIB_PER_S, ['retain', 'handle'], 'warm-up')), LEAK)
  assert.deepEqual([kind, owner], [['warm-up instead of leak'], ['malloc not named']])
})

test('a leak where there is none is a false alarm, and accuses its owner', () => {
  const { kind, owner } = judge(verdict(cause('js-heap', MIB_PER_S)), NO_LEAK)
  assert.deepEqual([kind, owner], [['leak instead of steady or warm-up'], ['js-heap accused']])
})

test('any of the kinds that a program accepts is right', () => {
  assert.ok(isRight(judge(verdict(), NO_LEAK)))
  assert.ok(isRight(judge(verdict(cause('js-heap', MIB_PER_S, [], 'warm-up')), NO_LEAK)))
  assert.ok(!isRight(judge({ ...verdict(), kind: 'unknown' }, NO_LEAK)))
})

test('an innocent owner beside the true one is wrong, one that grows along is not, nor one that only warmed up', () => {
  const named = cause('malloc', MIB_PER_S, ['retain', 'handle'])
  assert.deepEqual(judge(verdict(named, cause('file', 1)), LEAK).owner, ['file accused'])
  assert.deepEqual(judge(verdict(named, cause('thread-stacks', 1)), LEAK).owner, [])
  assert.deepEqual(judge(verdict(named, cause('file', 1, [], 'warm-up')), LEAK).owner, [])
})

test('of two causes both must be named, and the faster one first', () => {
  const both: Truth = { ...LEAK, causes: [...LEAK.causes, { owner: 'js-heap', bytesPerHour: MIB_PER_S / 2 }] }
  const [malloc, heap] = [cause('malloc', MIB_PER_S, ['retain', 'handle']), cause('js-heap', MIB_PER_S / 2)]
  assert.deepEqual(judge(verdict(malloc, heap), both).owner, [])
  assert.deepEqual(judge(verdict(heap, malloc), both).owner, ['js-heap before malloc'])
  assert.deepEqual(judge(verdict(malloc), both).owner, ['js-heap not named'])
})

test('another site, no site, or the right one called by others is wrong', () => {
  const siteOf = (...names: string[]) => judge(verdict(cause('malloc', MIB_PER_S, names)), LEAK).site
  assert.deepEqual(siteOf('handle'), ['handle of malloc'])
  assert.deepEqual(siteOf(), ['none of malloc'])
  assert.deepEqual(siteOf('retain', 'main'), ['retain of malloc'])
})

test('a site may be told by a part of its file', () => {
  const of = (file: string) => ({ ...LEAK, causes: [{ ...LEAK.causes[0]!, site: { file } }] })
  const named = verdict(cause('malloc', MIB_PER_S, ['retain']))
  assert.deepEqual(judge(named, of('app/')).site, [])
  assert.deepEqual(judge(named, of('libvips')).site, ['retain of malloc'])
})

test('a rate is right within a quarter of the truth, or when the truth is in its interval', () => {
  const rateOf = (rate: number, high = rate) => {
    const named = cause('malloc', rate, ['retain', 'handle'])
    return judge(verdict({ ...named, growth: { ...named.growth, high } }), LEAK).rate
  }
  assert.deepEqual(rateOf(0.76 * MIB_PER_S), [])
  assert.deepEqual(rateOf(1.24 * MIB_PER_S), [])
  assert.deepEqual(rateOf(1.3 * MIB_PER_S), ["130 % of malloc's"])
  assert.deepEqual(rateOf(0.5 * MIB_PER_S), ["50 % of malloc's"])
  assert.deepEqual(rateOf(0.5 * MIB_PER_S, 1.1 * MIB_PER_S), [])
})
