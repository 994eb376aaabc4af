/** A process of a given size that measures itself: the other end of start.ts. */

import { readFileSync } from 'node:fs'
import { usage } from 'tidemark'
import { loadFloors, loadHeaps } from '../floors.js'
import { type Measure, measures } from './measures.js'

export interface Shape {
  /** RSS in bytes and number of mappings to grow to; a process that is larger already stays as it is. */
  rss: number
  mappings: number
  /** Part of it: blocks of malloc, their mean size in bytes, and every how manieth is freed; 0 none. */
  heap?: { blocks: number; mean: number; freed: number }
}

export interface Request {
  measure: Measure
  argument: number
}

function grow({ rss, mappings, heap }: Shape): void {
  if (heap && !loadHeaps().fill(heap.blocks, heap.mean, heap.freed)) throw new Error('out of memory')
  const missing = mappings - (readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1)
  if (!loadFloors().fill(Math.max(0, rss - usage().rss), Math.max(0, missing))) throw new Error('out of memory')
}

grow(JSON.parse(process.argv[2]!) as Shape)
process.on('message', async ({ measure, argument }: Request) => {
  process.send!(await measures[measure](argument))
})
process.send!('ready')
