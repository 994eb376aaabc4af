import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { flameGraph, renderHtml } from '#dist/export/html'
import type { ProfileColumns } from '#dist/profile/columns'
import { inAddon, inLibc, inNode, js, profileOf } from '../profile/profiles.js'
import { syntheticProfile } from '../profile/synthetic.js'

const MIB = 2 ** 20
const HOSTILE = `</script><script>alert(1)</script><img src=x onerror=alert(1)>"'&<!--`

/** Frames are the same objects, so that stacks share them. */
const MAIN = js('main', '/app/server.js', 3)
const LOAD = js('load', '/app/load.js', 7)
const READ = js('readFile', 'node:fs', 300)
const DECODE = inAddon('decode')
const MALLOC = inLibc('malloc')

const PROFILE = profileOf(
  [
    {
      stack: [MALLOC, DECODE, inNode('Builtins_CallApi'), LOAD, MAIN, inNode('start')],
      live: { bytes: 30 * MIB, bytesVariance: (2 * MIB) ** 2, count: 3, samples: 9 },
      region: 'upload',
    },
    {
      stack: [inNode('Allocate'), READ, LOAD, MAIN, inNode('start')],
      live: { bytes: 10 * MIB, bytesVariance: MIB ** 2, count: 100, samples: 1 },
      allocated: { bytes: 90 * MIB, count: 900 },
    },
    {
      stack: [LOAD, MAIN],
      live: { bytes: 60 * MIB, count: 5, bytesVariance: Number.NaN, samples: Number.NaN },
      source: 'js',
      owner: 'js-heap',
      region: 'cache',
    },
  ],
  { notes: ['3 samples < 4'], jsIntervalBytes: 524288 },
)

class Element {
  readonly listeners: Record<string, ((event: object) => void)[]> = {}
  readonly style: Record<string, string> = {}
  readonly attributes: Record<string, string> = {}
  children: (Element | string)[] = []
  hidden = false
  checked = false
  value = ''
  className = ''
  clientWidth = 1000
  #text = ''

  get textContent(): string {
    return this.#text + this.children.map((child) => (typeof child === 'string' ? child : child.textContent)).join('')
  }
  set textContent(text: string) {
    this.children = []
    this.#text = text
  }
  append(...children: (Element | string)[]): void {
    this.children.push(...children)
  }
  replaceChildren(...children: (Element | string)[]): void {
    this.children = children
  }
  setAttribute(name: string, value: string): void {
    this.attributes[name] = value
  }
  addEventListener(type: string, listener: (event: object) => void): void {
    this.listeners[type] ??= []
    this.listeners[type].push(listener)
  }
  fire(type: string, event: object = {}): void {
    for (const listener of this.listeners[type] ?? []) listener({ preventDefault() {}, ...event })
  }
  getBoundingClientRect() {
    return { left: 0, top: 0, width: this.clientWidth, height: 1 }
  }
  focus(): void {}
}

interface Box {
  x: number
  row: number
  wide: number
  text: string
}

/** The fragment's own script, in a page that is only as much of a browser as it needs. */
class Page {
  readonly #parts = new Map<string, Element>()
  boxes: Box[] = []

  constructor(columns: ProfileColumns, options?: Parameters<typeof flameGraph>[1]) {
    const text = flameGraph(columns, options)
    const script = /<script>([\s\S]*?)<\/script>/.exec(text)![1]!
    const data = /id="flame-data">([\s\S]*?)<\/script>/.exec(text)![1]!
    for (const [, name, more] of text.matchAll(/class="flame-by-(\w+)"([^>]*)>/g)) {
      this.part(`by-${name}`).checked = more!.includes('checked')
    }
    this.part('by-value').value = /<option value="([\w-]+)" selected>/.exec(text)![1]!
    this.part('by-colour').value = 'kind'
    const root = { querySelector: (name: string) => this.part(name.replace('.flame-', '')) }
    Object.assign(this.part('canvas'), { getContext: () => this.#brush() })
    const page = {
      document: {
        getElementById: (id: string) => (id === 'flame' ? root : { textContent: data }),
        createElement: () => new Element(),
        activeElement: this.part('canvas'),
      },
      window: {
        devicePixelRatio: 2,
        matchMedia: () => ({ matches: false, addEventListener() {} }),
        addEventListener() {},
      },
      getComputedStyle: () => ({ getPropertyValue: (name: string) => name }),
    }
    runInNewContext(script, page)
  }

  part(name: string): Element {
    const part = this.#parts.get(name) ?? new Element()
    this.#parts.set(name, part)
    return part
  }

  set(control: string, value: string | boolean): void {
    const part = this.part(`by-${control}`)
    if (typeof value === 'boolean') part.checked = value
    else part.value = value
    part.fire(control === 'search' ? 'input' : 'change')
  }

  press(...keys: string[]): void {
    for (const key of keys) this.part('canvas').fire('keydown', { key })
  }

  /** The drawn frames by row, `name width` of 1,000. */
  get rows(): string[][] {
    const rows: string[][] = []
    for (const { row, wide, text } of this.boxes.toSorted((a, b) => a.x - b.x)) {
      rows[row] ??= []
      rows[row].push(`${text} ${Math.round(wide)}`)
    }
    return rows
  }

  tip(row: number, x: number): string {
    this.part('canvas').fire('pointermove', { clientX: x, clientY: row * 20 + 5 })
    if (this.part('tip').hidden) return ''
    return this.part('tip')
      .children.map((line) => (line as Element).textContent)
      .join(' | ')
  }

  click(row: number, x: number): void {
    this.part('canvas').fire('click', { clientX: x, clientY: row * 20 + 5 })
  }

  #brush() {
    return {
      setTransform() {},
      strokeRect() {},
      clearRect: () => {
        this.boxes = []
      },
      measureText: () => ({ width: 70 }),
      fillRect: (x: number, y: number, wide: number) => {
        this.boxes.push({ x, row: Math.round(y / 20), wide: wide + 0.5, text: '' })
      },
      fillText: (text: string) => {
        this.boxes.at(-1)!.text = text
      },
    }
  }
}

test('frames are as wide as what they stand for, callers above, and of Node and V8 only the one nearest the leaf', () => {
  const page = new Page(PROFILE)
  assert.deepEqual(page.rows.slice(0, 3), [['all 1000'], ['main 1000'], ['load 1000']])
  assert.deepEqual(page.rows[3], ['Builtins_CallApi 300', 'Allocate 100'])
  page.set('internal', true)
  assert.deepEqual(page.rows[1], ['main 600', 'start 400'])
  assert.deepEqual(new Page(PROFILE, { showInternal: true }).rows, page.rows)
})

test('in-use and allocated, bytes and objects can be chosen', () => {
  const page = new Page(PROFILE, { value: 'live-count' })
  assert.deepEqual(page.rows[3], ['Allocate 926', 'Bu… 28'])
  page.set('value', 'allocated-bytes')
  assert.deepEqual(page.rows[3], ['Allocate 500', 'Builtins_CallApi 167'])
})

test('source and region filter what is shown, and nothing left is said', () => {
  const page = new Page(PROFILE)
  page.set('source', '1')
  assert.deepEqual(page.rows, [['all 1000'], ['main 1000'], ['load 1000']])
  assert.equal(page.part('none').hidden, true)
  page.set('region', '1')
  assert.equal(page.part('none').hidden, false)
  page.set('source', '0')
  assert.deepEqual(page.rows.slice(4), [['decode 1000'], ['malloc 1000']])
})

test('the tooltip tells the estimate with its error, samples, share, place, kind and region', () => {
  const page = new Page(PROFILE)
  const tip = page.tip(5, 10)
  assert.equal(
    tip,
    'malloc | /lib/x86_64-linux-gnu/libc.so.6 | 30 MiB ± 2.0 MiB from 9 samples | 30.0 % of all | native, region upload',
  )
  assert.equal(page.tip(2, 10), 'load | /app/load.js:7 | 100 MiB | 100.0 % of all | JavaScript, several regions')
  assert.match(page.tip(3, 310), /^Allocate \| .*from 1 sample \| .*Node or V8, outside every region$/)
  assert.equal(page.tip(3, 900), '')
  assert.equal(page.tip(40, 10), '')
})

test('a click zooms in, a click on a caller or on the path zooms out', () => {
  const page = new Page(PROFILE)
  page.click(4, 10)
  assert.deepEqual(page.rows.slice(3), [['Builtins_CallApi 1000'], ['decode 1000'], ['malloc 1000']])
  assert.match(page.tip(5, 10), /30\.0 % of all, 100\.0 % of decode/)
  const path = () => page.part('path').children.map((item) => (item as Element).textContent)
  assert.deepEqual(path(), ['all', 'main', 'load', 'Builtins_CallApi', 'decode'])
  page.click(2, 10)
  assert.deepEqual(path(), ['all', 'main', 'load'])
  const [all] = (page.part('path').children[0] as Element).children as Element[]
  all!.fire('click')
  assert.deepEqual(path(), ['all'])
})

test('everything is reached from the keyboard and said aloud', () => {
  const page = new Page(PROFILE)
  page.press('ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight')
  assert.match(page.part('said').textContent, /^Allocate\. .*10 MiB ± 1\.0 MiB from 1 sample/)
  page.press('ArrowLeft', 'Enter')
  assert.deepEqual(page.rows[3], ['Builtins_CallApi 1000'])
  page.press('ArrowUp', 'ArrowUp', 'Home', 'ArrowUp', 'ArrowLeft')
  assert.match(page.part('said').textContent, /^all\./)
  page.press('Escape')
  assert.deepEqual(page.rows[2], ['load 1000'])
})

test('moving beside what is zoomed leads there', () => {
  const page = new Page(PROFILE)
  page.click(3, 10)
  page.press('ArrowRight')
  assert.deepEqual(page.rows[3], ['Allocate 1000'])
})

test('a search adds up the stacks that it meets, each once', () => {
  const page = new Page(PROFILE)
  for (const [wanted, found] of [
    ['decode', '30 MiB, 30.0 % of all'],
    ['LOAD', '100 MiB, 100.0 % of all'],
    ['/app/server', '100 MiB, 100.0 % of all'],
    ['nowhere', '0 B, 0.0 % of all'],
    ['  ', ''],
  ] as const) {
    page.set('search', wanted)
    assert.equal(page.part('found').textContent, found)
  }
})

test('nothing that a name holds becomes markup, in the page or in its data', () => {
  const frame = js(HOSTILE, `/app/${HOSTILE}`, 1)
  const columns = profileOf(
    [{ stack: [frame, inAddon(HOSTILE)], live: { bytes: MIB }, region: HOSTILE, thread: HOSTILE }],
    {
      notes: [HOSTILE],
    },
  )
  const page = renderHtml({ columns })
  assert.equal(page.match(/<script>alert|<img|<!--/), null)
  assert.equal(page.match(/<script/g)?.length, 2, 'its data and its own script')
  assert.equal(page.match(/<\/script>/g)?.length, 2)
  assert.ok(new Page(columns).tip(1, 10).includes(HOSTILE))
})

test('the page needs nothing from outside and says so to the browser', () => {
  const page = renderHtml({ columns: PROFILE })
  assert.equal(page.match(/https?:|src=|href=|@import|url\(/), null)
  assert.match(page, /Content-Security-Policy" content="default-src 'none'/)
})

test('the largest sites and what is missing are there without the script', () => {
  const page = renderHtml({ columns: PROFILE }).replace(/<script[\s\S]*?<\/script>/g, '')
  assert.match(page, /<td>load <small>\/app\/load\.js:7<\/small><\/td>/)
  assert.match(page, /<td>decode <small>/)
  assert.match(page, /<li>3 samples &#60; 4<\/li>/)
  assert.match(page, /native memory sampled every 512 KiB, JS heap every 512 KiB/)
})

test('a profile of nothing is a page all the same', () => {
  const columns = profileOf([])
  assert.match(renderHtml({ columns }), /Nothing was sampled\./)
  const page = new Page(columns)
  assert.equal(page.part('none').hidden, false)
  page.press('ArrowDown', 'ArrowRight', 'Enter', 'Escape')
  page.set('internal', true)
})

test('what shrank between two profiles is not drawn', () => {
  const columns = profileOf([
    { stack: [LOAD], live: { bytes: -MIB, count: -1 }, allocated: { bytes: MIB } },
    { stack: [MAIN], live: { bytes: MIB } },
  ])
  assert.deepEqual(new Page(columns).rows, [['all 1000'], ['main 1000']])
})

test('20,000 stacks make a page of a few megabytes, whose graph draws no more than can be seen', () => {
  const columns = syntheticProfile({ seed: 3, traces: 20_000, frames: 6000, depth: 30 })
  assert.ok(renderHtml({ columns }).length < 8 * MIB)
  const page = new Page(columns)
  for (const row of page.rows) assert.ok(row === undefined || row.length <= 1001)
  assert.ok(page.boxes.length > 100)
})
