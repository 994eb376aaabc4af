/** The tools that people use for a table of mappings; null where they are not installed. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Side } from '../rounds.js'

export function pmap(pid: number): Side | null {
  const run = () => spawnSync('pmap', ['-X', String(pid)], { maxBuffer: 1 << 28 })
  if (run().status !== 0) return null
  return () => {
    const began = performance.now()
    run()
    return (performance.now() - began) * 1e6
  }
}

const READ_MAPS = `
import psutil, sys, time
process = psutil.Process(int(sys.argv[1]))
print('ready', flush=True)
for line in sys.stdin:
    began = time.perf_counter_ns()
    process.memory_maps(grouped=False)
    print(time.perf_counter_ns() - began, flush=True)
`

/** Python is started once: only its readings are timed. */
export async function psutil(pid: number): Promise<{ side: Side; stop: () => void } | null> {
  if (spawnSync('python3', ['-c', 'import psutil']).status !== 0) return null
  const python = spawn('python3', ['-c', READ_MAPS, String(pid)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(python.stdout)
  await once(lines, 'line')
  const side = async () => {
    python.stdin.write('\n')
    const [line] = (await once(lines, 'line')) as [string]
    return Number(line)
  }
  return { side, stop: () => python.kill() }
}
