/** How `tidemark run` talks to the process it starts. A user of tidemark/register may set the first two. */
export const SETTINGS = {
  out: 'TIDEMARK_OUT',
  interval: 'TIDEMARK_INTERVAL',
  /** Pid of the `tidemark run` that waits for the process and concludes the run. */
  parent: 'TIDEMARK_PARENT',
} as const
