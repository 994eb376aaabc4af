'use strict'
/** What is true of a program: the same shape as `Truth` in test/corpus/judge.ts. */

/**
 * It leaks. `causes` are what the verdict must name, the one that grows most first: of each its owner, and who allocates it,
 * where that can be known (`site.function`, or `site.file` where no JavaScript is on the stack; `site.caller`: a function
 * further up in it). `along` are owners that grow with them and may be named or not, for a reason that the program gives.
 */
exports.leak = (causes, along = []) => ({ kinds: ['leak'], causes, along })

/** It does not leak: `kinds` are the answers that are right. */
exports.noLeak = (...kinds) => ({ kinds, causes: [], along: [] })
