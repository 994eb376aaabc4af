'use strict'
// V8 alone is seconds late at times with Buffers that a program has dropped, once it has let the heap grow. Where two batches
// in memory at once would be another truth, the program collects them itself.

const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')

setFlagsFromString('--expose-gc')

/** A major collection, now. */
exports.collectGarbage = runInNewContext('gc')
