/** Where the suite runs on several Nodes, the one that people have on their PATH is enough for what does not depend on it. */

import { spawnSync } from 'node:child_process'

export const isMainNode = spawnSync('node', ['--version'], { encoding: 'utf8' }).stdout?.trim() === process.version

/** Why a test that takes long is not run on the others, or false. */
export const onOtherNode = !isMainNode && 'runs on one Node only'
