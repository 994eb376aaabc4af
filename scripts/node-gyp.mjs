#!/usr/bin/env node
// Runs node-gyp with the headers that came with this Node, so that a build needs no download.
// Where they are not on the machine (an npm-installed Node, a slim image) node-gyp fetches them as usual.

import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { run } from './run.mjs'

const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
const prefix = dirname(dirname(realpathSync(process.execPath)))
const args = [...process.argv.slice(2), '--jobs=max']

if (!process.env.npm_config_nodedir && existsSync(join(prefix, 'include/node/node_api.h'))) {
  args.push(`--nodedir=${prefix}`)
}

run(process.execPath, [nodeGyp, ...args])
