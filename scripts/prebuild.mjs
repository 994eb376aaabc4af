// Builds the addon for this machine into prebuilds/linux-ARCH/tidemark.LIBC.node, the file that the package ships.
// The four of them (x64 and arm64, glibc and musl) come from running this on the four kinds of machine.

import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import prebuildify from 'prebuildify'
import { root } from './run.mjs'

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  // Not an error: the TypeScript half works everywhere, on Node's own numbers.
  console.error(`no native build: the addon is for Linux on x64 and arm64, this is ${process.platform}-${process.arch}`)
  process.exit(0)
}

// Asked of the running Node, because prebuildify only knows Alpine as a musl system.
const libc = process.env.LIBC ?? (process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl')

await promisify(prebuildify)({
  cwd: root,
  // This Node's own version: prebuildify's default is the newest it knows, whose headers would have to be downloaded.
  targets: [process.versions.node],
  napi: true,
  strip: true,
  tagLibc: libc,
  nodeGyp: fileURLToPath(new URL('node-gyp.mjs', import.meta.url)),
})
