/** What this thread is called in profiles: by the addon, in the JS heap's part, and where sites are told by thread. */

import { threadId } from 'node:worker_threads'

export const THIS_THREAD = threadId === 0 ? 'main' : `worker ${threadId}`
