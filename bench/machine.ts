/** Where and when a benchmark ran: without it no number means anything. */

import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

export function machine(): string {
  const gib = (totalmem() / 2 ** 30).toFixed(0)
  const cpu = cpus()[0]?.model.trim() ?? process.arch
  return `Node ${process.versions.node}, Linux ${release()} ${process.arch}, ${availableParallelism()} × ${cpu}, ${gib} GiB`
}

/** Mean number of threads that wanted a CPU during the last minute, this benchmark's own included. */
export function load(): string {
  return loadavg()[0]!.toFixed(1)
}

export function availableBytes(): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]
  return Number(kilobytes) * 1024
}
