/** The `code` of what Node's own calls throw (`ENOSPC`), or the message where there is none. */
export function errorCode(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message
  return String(error)
}
