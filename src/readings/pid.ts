import { TidemarkError } from '../errors.js'

/** Checks a pid from a caller; undefined means this process, for which native code takes 0. */
export function checkPid(pid: number | undefined): number {
  if (pid === undefined || pid === process.pid) return 0
  if (!Number.isInteger(pid) || pid <= 0 || pid > 0x7fffffff) {
    throw new TidemarkError('ERR_TIDEMARK_ARGUMENT', `pid must be a positive integer, not ${String(pid)}`)
  }
  return pid
}
