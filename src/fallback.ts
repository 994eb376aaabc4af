/** The binding's interface served from Node's own numbers, for machines without the addon. What Node cannot know is NaN. */

import { constants } from 'node:os'
import { type Binding, OUT, type SamplingStatus } from './seam.js'

const NO_SAMPLING: SamplingStatus = {
  running: false,
  objects: 0,
  slots: 0,
  jumpSlots: 0,
  globDats: 0,
  absolutes: 0,
  refused: 0,
  foreign: 0,
  unpatched: [],
  installMs: 0,
  operators: false,
  provider: '',
  samples: 0,
  liveSamples: 0,
  liveCapacity: 0,
  dropped: 0,
  replaced: 0,
  unmatched: 0,
  thinned: 0,
  overflows: 0,
  truncated: 0,
  partial: 0,
  jsFallbacks: 0,
  lateDrains: 0,
  unwindBytes: 0,
  unwindMs: 0,
  nodeKeepsFramePointers: false,
  codeEntries: 0,
  codeBytes: 0,
  codeDropped: 0,
}

export function fallbackBinding(out: Float64Array): Binding {
  let region: Int32Array = new Int32Array(1)

  function fill(first: number, values: number[]): void {
    out.set(values, first)
    out[OUT.errno] = 0
  }

  function readUsage(): void {
    fill(OUT.rss, [process.memoryUsage.rss(), Number.NaN, Number.NaN])
  }

  function readRusageSelf(): void {
    const r = process.resourceUsage()
    fill(OUT.userCpuMs, [
      r.userCPUTime / 1000,
      r.systemCPUTime / 1000,
      r.maxRSS * 1024,
      r.minorPageFault,
      r.majorPageFault,
      r.fsRead,
      r.fsWrite,
      r.voluntaryContextSwitches,
      r.involuntaryContextSwitches,
    ])
  }

  function readUnknownRusage(): void {
    fill(OUT.userCpuMs, new Array(9).fill(Number.NaN))
  }

  function unsupported(): never {
    throw { errno: constants.errno.ENOSYS, what: 'the native addon', line: 0 }
  }

  return {
    share(_out, word) {
      region = word
    },
    readUsage,
    readRusageSelf,
    readRusageThread: readUnknownRusage,
    readRusageChildren: readUnknownRusage,
    readRegionEdge() {
      readUnknownRusage()
      readUsage()
    },
    readMalloc() {
      fill(OUT.mallocInUse, new Array(4).fill(Number.NaN))
    },
    readMajorGcs() {
      fill(OUT.majorGcs, [Number.NaN, Number.NaN])
    },
    readExternal() {
      fill(OUT.external, [process.memoryUsage().external])
    },
    currentRegion: () => region[0]!,
    readSmaps: async () => unsupported(),
    readGrowth: async () => unsupported(),
    readLedger: async () => unsupported(),
    readLightLedger: async () => unsupported(),
    releaseFreeMemory: async () => unsupported(),
    capabilities: () => ({
      pagemapScan: false,
      libc: 'unknown',
      allocator: 'unknown',
      allocatorAsked: '',
      allocatorConfidence: 'none',
      allocatorWhy: 'there is no native addon to ask it',
      allocatorRelease: '',
      pageSize: 4096,
      wipeOnFork: false,
    }),
    startSampling: () => constants.errno.ENOSYS,
    stopSampling() {},
    setSamplingInterval() {},
    readSamples: async () => unsupported(),
    readLiveSamples: async () => unsupported(),
    readRegionSums: () => null,
    oldBlocks: () => 0,
    samplingStatus: () => ({ ...NO_SAMPLING, unpatched: [] }),
    watchCode: () => 2,
    threadNames: () => [],
    nameThread() {},
    captureStack: () => [],
  }
}
