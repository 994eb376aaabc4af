/**
 * `node --import tidemark/register app.js`, and what `tidemark run` preloads.
 * Worker threads inherit the preload; they are part of the process that the main thread records already, and only make
 * the names of their code known.
 */

import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  // Not an import: each worker would load the whole recorder only to leave it alone.
  const { startRecording } = require('./run/recorder.js') as typeof import('./run/recorder.js')
  startRecording()
} else {
  const { listenWhileSampling } = require('./profile/code-names.js') as typeof import('./profile/code-names.js')
  listenWhileSampling()
}
