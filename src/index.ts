/** The public face: nothing is defined here. */

export { TidemarkError, type TidemarkErrorCode } from './errors.js'
export type { StackOptions } from './export/stacks.js'
export type { Cause, GrowthRate, Site, StackFrame, Verdict, VerdictKind } from './growth/verdict.js'
export { type Watch, type WatchEvents, type WatchOptions, watch } from './growth/watch.js'
export { OWNERS, type Owner, type OwnerBytes } from './owners.js'
export type { Frame, ProfileColumns, ProfileMapping, Sums } from './profile/columns.js'
export { Profile } from './profile/profile.js'
export { type ProfileOptions, type ProfileSession, profile, type SnapshotOptions } from './profile/session.js'
export type { ProfileSource } from './profile/site-feed.js'
export type { TopOptions, TopRow } from './profile/top.js'
export type { ProfileValue } from './profile/value.js'
export { type AllocatorLedger, type Ledger, type LedgerOptions, ledger, type Uncertainty } from './readings/ledger.js'
export type { Mapping, MappingColumn, MappingTotals } from './readings/mapping.js'
export { type MappingGroup, Mappings, type MappingsOptions, mappings } from './readings/mappings.js'
export type { MappingChange, MappingsDiff } from './readings/mappings-diff.js'
export { type MallocCounters, type Memory, memory } from './readings/memory.js'
export type { Arena } from './readings/raw-ledger.js'
export type {
  AllocatorReading,
  HeapReading,
  MemoryLimit,
  Reading,
  RegionLine,
  SiteDef,
  SiteLine,
} from './readings/reading.js'
export { type ResourceUsage, rusage } from './readings/rusage.js'
export { type Trim, type TrimOptions, type TrimPrediction, trim } from './readings/trim.js'
export { type Usage, usage } from './readings/usage.js'
export { type AnyFunction, type RegionFunction, type RegionHandle, region } from './regions/region.js'
export type { RegionReport, RegionRow } from './regions/report.js'
export type { RegionKind, RegionOptions } from './regions/table.js'
export type { RegionCost } from './regions/tally.js'
export { type ProcessStatus, type ProfilerStatus, processStatus, type Status, status } from './status.js'
