/** Every error tidemark throws or rejects with; callers match `code`, people read the message. */

export type TidemarkErrorCode =
  | 'ERR_TIDEMARK_ARGUMENT'
  | 'ERR_TIDEMARK_UNSUPPORTED'
  | 'ERR_TIDEMARK_PROC_READ'
  | 'ERR_TIDEMARK_PROC_FORMAT'
  | 'ERR_TIDEMARK_NO_PROCESS'
  | 'ERR_TIDEMARK_PERMISSION'
  | 'ERR_TIDEMARK_KERNEL_THREAD'
  | 'ERR_TIDEMARK_SCRIPT_NOT_FOUND'
  | 'ERR_TIDEMARK_OUT_WRITE'
  | 'ERR_TIDEMARK_RUN_FOLDER'
  | 'ERR_TIDEMARK_FILE'
  | 'ERR_TIDEMARK_PROFILE_RUNNING'
  | 'ERR_TIDEMARK_PROFILE_STOPPED'
  | 'ERR_TIDEMARK_PROFILE'

/** The message states the fact and the way out; `cause` holds the system's own error where there was one. */
export class TidemarkError extends Error {
  override readonly name = 'TidemarkError'
  readonly code: TidemarkErrorCode

  constructor(code: TidemarkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The `code` of what Node's own calls throw (`ENOSPC`), or the message where there is none. */
export function errorCode(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message
  return String(error)
}
