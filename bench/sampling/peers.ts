/**
 * The heap profilers that apt and npm can install, each beside the same allocator without it: what a profiler costs is
 * the difference between the two, not what one allocator has before another.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface Peer {
  name: string
  /** How to have it. */
  install: string
  /** The environment of a process with the allocator alone, and of one that is profiled; null where it is not installed. */
  plain: () => NodeJS.ProcessEnv | null
  profiled: () => NodeJS.ProcessEnv
  /** How many times fewer operations than others it is given: some would take minutes. */
  slowness?: number
  /** tidemark has to add less; or, as a number, at most that share of what this profiler adds. */
  goal?: 'less' | number
}

const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib']

function library(file: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${file}`).find((path) => existsSync(path))
}

function preloading(file: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv | null {
  const path = library(file)
  return path === undefined ? null : { LD_PRELOAD: path, ...more }
}

const JEMALLOC_PROFILES = 'prof:true,lg_prof_sample:19'

/** Whether this jemalloc was built with its profiler: it complains about the option otherwise, and goes on. */
function jemallocProfiles(path: string): boolean {
  const env = { LD_PRELOAD: path, MALLOC_CONF: JEMALLOC_PROFILES }
  const { status, stderr } = spawnSync('/bin/true', { env, encoding: 'utf8' })
  return status === 0 && stderr === ''
}

export const PEERS: Peer[] = [
  {
    name: 'jemalloc `prof:true`',
    install: 'apt install libjemalloc2',
    plain: () => {
      const path = library('libjemalloc.so.2')
      return path !== undefined && jemallocProfiles(path) ? { LD_PRELOAD: path } : null
    },
    profiled: () => preloading('libjemalloc.so.2', { MALLOC_CONF: JEMALLOC_PROFILES })!,
    goal: 'less',
  },
  {
    name: 'heaptrack, its part in the process',
    install: 'apt install heaptrack',
    plain: () => (library('heaptrack/libheaptrack_preload.so') === undefined ? null : {}),
    // What it records is thrown away: compressing it takes another core.
    profiled: () => preloading('heaptrack/libheaptrack_preload.so', { DUMP_HEAPTRACK_OUTPUT: '/dev/null' })!,
    slowness: 20,
    goal: 0.14,
  },
  {
    name: 'gperftools, sampling',
    install: 'apt install libgoogle-perftools4',
    plain: () => preloading('libtcmalloc.so.4'),
    profiled: () => preloading('libtcmalloc.so.4', { TCMALLOC_SAMPLE_PARAMETER: '524288' })!,
    slowness: 4,
  },
]

/** @datadog/pprof samples V8's heap within the process, and no native memory. */
export const DATADOG = {
  name: '@datadog/pprof heap, which sees no native memory',
  install: 'npm install @datadog/pprof',
  installed(): boolean {
    try {
      require.resolve('@datadog/pprof')
      return true
    } catch {
      return false
    }
  },
}
