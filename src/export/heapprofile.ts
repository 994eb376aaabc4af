/**
 * What lives, as V8's own sampling heap profiler writes it: Chrome DevTools opens it in its Memory panel. Pure.
 * @see https://chromedevtools.github.io/devtools-protocol/tot/HeapProfiler/#type-SamplingHeapProfile
 */

import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ProfileColumns } from '../profile/columns.js'
import { frameName, stacks } from './stacks.js'

interface CallFrame {
  functionName: string
  /** One for each file; 0 for none. */
  scriptId: string
  url: string
  /** 0-based, -1 where it is not known. */
  lineNumber: number
  columnNumber: number
}

interface Node {
  callFrame: CallFrame
  selfSize: number
  id: number
  children: Node[]
}

const ROOT = -1

export function toHeapProfile(columns: ProfileColumns): string {
  const tree = new Tree(columns)
  for (const { path, value } of stacks(columns, {})) tree.add(path, value)
  return JSON.stringify({ head: tree.head, samples: tree.samples() })
}

class Tree {
  readonly #columns: ProfileColumns
  readonly #scripts = new Map<string, string>([['', '0']])
  readonly #nodes: Node[] = []
  /** The children of each node, by id and then by frame. */
  readonly #children: Map<number, Node>[] = []
  readonly head: Node

  constructor(columns: ProfileColumns) {
    this.#columns = columns
    this.head = this.#node(ROOT)
  }

  add(path: readonly number[], value: number): void {
    let node = this.head
    for (const frame of path) {
      const children = this.#children[node.id - 1]!
      let child = children.get(frame)
      if (!child) {
        child = this.#node(frame)
        children.set(frame, child)
        node.children.push(child)
      }
      node = child
    }
    node.selfSize += value
  }

  /** One for each node that has anything: DevTools sums them when a span of time is chosen. */
  samples(): { size: number; nodeId: number; ordinal: number }[] {
    const nodes = this.#nodes.filter(({ selfSize }) => selfSize > 0)
    return nodes.map(({ selfSize, id }, i) => ({ size: selfSize, nodeId: id, ordinal: i + 1 }))
  }

  #node(frame: number): Node {
    const id = this.#nodes.length + 1
    const node = { callFrame: this.#callFrame(frame), selfSize: 0, id, children: [] }
    this.#nodes.push(node)
    this.#children.push(new Map())
    return node
  }

  #callFrame(index: number): CallFrame {
    if (index === ROOT) return { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 }
    const { frames, mappings } = this.#columns
    const frame = frames[index]!
    const url = toUrl(frame.file || (mappings[frame.mapping]?.path ?? ''))
    let scriptId = this.#scripts.get(url)
    if (scriptId === undefined) {
      scriptId = String(this.#scripts.size)
      this.#scripts.set(url, scriptId)
    }
    // DevTools writes (anonymous) itself where there is no name.
    const functionName = frame.kind === 'js' ? frame.function : frameName(frame, mappings)
    return { functionName, scriptId, url, lineNumber: frame.line - 1, columnNumber: frame.column - 1 }
  }
}

/** DevTools links to file:// only. What is no path (`node:fs`, `evalmachine.<anonymous>`) stays as V8 names it. */
function toUrl(file: string): string {
  return isAbsolute(file) ? pathToFileURL(file).href : file
}
