/**
 * `node --import tidemark/register app.js`, and what `tidemark run` preloads.
 * Worker threads inherit the preload; they are part of the process that the main thread records already.
 */

import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  // Not an import: each worker would load the whole recorder only to leave it alone.
  const { startRecording } = require('./run/recorder.js') as typeof import('./run/recorder.js')
  startRecording()
}
