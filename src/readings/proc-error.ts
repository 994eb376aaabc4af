/** Turns what failed natively into an error that says what to do. */

import { getSystemErrorName } from 'node:util'
import { addonProblem } from '../binding.js'
import { TidemarkError } from '../errors.js'
import type { NativeFailure } from '../seam.js'

/** EBADMSG, by which native code says that text was not as documented; Node has no name for it. */
const BAD_FORMAT = 74

function isFailure(value: unknown): value is NativeFailure {
  return typeof value === 'object' && value !== null && 'errno' in value && 'what' in value
}

/** @param pid the process that was read; 0 for this one */
export function procError(failure: unknown, pid: number): TidemarkError {
  if (!isFailure(failure)) {
    return new TidemarkError('ERR_TIDEMARK_PROC_READ', `reading /proc failed: ${String(failure)}`, { cause: failure })
  }
  const { errno, what, line } = failure
  const who = pid === 0 ? 'this process' : `process ${pid}`
  const name = errno === BAD_FORMAT ? 'EBADMSG' : errno > 0 ? getSystemErrorName(-errno) : 'unknown error'
  switch (name) {
    case 'ENOSYS':
      return new TidemarkError('ERR_TIDEMARK_UNSUPPORTED', addonProblem ?? `this kernel does not support ${what}`)
    case 'ENOENT':
    case 'ESRCH':
      if (pid === 0) {
        return new TidemarkError('ERR_TIDEMARK_PROC_READ', `cannot read ${what} (${name}): is /proc mounted?`)
      }
      return new TidemarkError(
        'ERR_TIDEMARK_NO_PROCESS',
        `there is no process ${pid}, or /proc hides it (hidepid): check the pid, or run as the user that owns it`,
      )
    case 'EACCES':
    case 'EPERM':
      return new TidemarkError(
        'ERR_TIDEMARK_PERMISSION',
        `cannot read ${what} (${name}): run as the user that owns ${who}, or with CAP_SYS_PTRACE`,
      )
    case 'EBADMSG':
      return new TidemarkError(
        'ERR_TIDEMARK_PROC_FORMAT',
        `${what} is not in the form that the kernel documents, at line ${line}: please report it with that line`,
      )
    default:
      return new TidemarkError('ERR_TIDEMARK_PROC_READ', `cannot read ${what} (${name}) of ${who}`)
  }
}

/** A process may be there and have no memory of its own. */
export function noMemoryError(pid: number): TidemarkError {
  return new TidemarkError(
    'ERR_TIDEMARK_KERNEL_THREAD',
    `process ${pid} has no user memory: it is a kernel thread, or has exited and waits for its parent`,
  )
}
