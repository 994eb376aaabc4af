// ES modules get the same instance as require(): regions, watches and (later) hooks are one per process, and a second
// copy of this library would each believe that it owns them. Names are listed because Node finds the exports of a
// CommonJS module by reading its text.
export type * from './index.js'
export {
  ledger,
  Mappings,
  mappings,
  memory,
  OWNERS,
  Profile,
  processStatus,
  profile,
  region,
  rusage,
  status,
  TidemarkError,
  trim,
  usage,
  watch,
} from './index.js'
