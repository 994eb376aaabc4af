/** A module of many functions, each of which allocates blocks of a size that no other has. */

import { write } from '../cli/tidemark.js'

export interface Site {
  name: string
  size: number
  line: number
}

export interface Sites {
  module: string
  sites: Site[]
  low: number
  high: number
}

/** How the function of a site is written; `allocate` is the expression that allocates. */
export type Form = (name: string, allocate: string) => string

export const PLAIN: Form = (name, allocate) => `function ${name}() { ${allocate} }`

export const ASYNC: Form = (name, allocate) =>
  `async function ${name}() { await null; await new Promise((resolve) => setImmediate(resolve)); ${allocate} }`

/** `prepare` is the body of a function that runs first, with `sites`. */
export function writeSites(folder: string, count: number, form: Form, prepare = ''): Sites {
  const lines = ["'use strict'", 'const kept = []']
  const sites: Site[] = []
  const allocators = [
    (size: number) => `kept.push(Buffer.allocUnsafeSlow(${size}))`,
    (size: number) => `kept.push(new ArrayBuffer(${size}))`,
    (size: number) => `kept.push(Buffer.alloc(${size}))`,
  ]
  for (const size of primes(30_011, count)) {
    const name = `site_${String(sites.length).padStart(3, '0')}`
    lines.push(form(name, allocators[sites.length % 3]!(size)))
    sites.push({ name, size, line: lines.length })
  }
  const names = sites.map((site) => site.name).join(', ')
  lines.push(`exports.sites = [${names}]`, `exports.prepare = () => { const sites = exports.sites; ${prepare} }`, '')
  const module = write(folder, 'sites.js', lines.join('\n'))
  return { module, sites, low: sites[0]!.size, high: sites.at(-1)!.size }
}

function primes(from: number, count: number): number[] {
  const found: number[] = []
  for (let n = from; found.length < count; n += 2) {
    let prime = n % 2 === 1
    for (let d = 3; prime && d * d <= n; d += 2) prime = n % d !== 0
    if (prime) found.push(n)
  }
  return found
}
