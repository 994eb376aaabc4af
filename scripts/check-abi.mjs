// Fails when a prebuilt addon needs a newer C or C++ library than the oldest Linux that Node itself runs on:
// official Node binaries need glibc 2.28 and the libstdc++ of GCC 8. A build on a newer system takes newer
// symbols without a word (fstat from 2.33, dlsym from 2.34), and the addon then fails to load on the older one.

import { execFileSync } from 'node:child_process'
import { filesUnder } from './files.mjs'
import { fail, root } from './run.mjs'

const NEWEST = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' }

const addons = filesUnder('prebuilds', '.glibc.node')
if (addons.length === 0) fail('no prebuilt addon in prebuilds/: run `npm run prebuild`')

const tooNew = addons.flatMap((addon) => tooNewSymbols(addon).map((symbol) => `${addon} needs ${symbol}`))
if (tooNew.length > 0) fail(`${tooNew.join('\n')}\nThe newest allowed: ${JSON.stringify(NEWEST)}`)

/** `objdump -T` prints undefined symbols as `… *UND* 0000000000000000 (GLIBC_2.33) fstat`, older binutils without the brackets. */
function tooNewSymbols(addon) {
  const table = execFileSync('objdump', ['-T', addon], { cwd: root, encoding: 'utf8' })
  return [...table.matchAll(/\*UND\*\s+\w+\s+\(?([A-Z]+)_([\w.]+)\)?\s+(\S+)/g)]
    .filter(([, library, version]) => !(library in NEWEST) || compare(version, NEWEST[library]) > 0)
    .map(([, library, version, symbol]) => `${symbol}@${library}_${version}`)
}

function compare(a, b) {
  return a.localeCompare(b, 'en', { numeric: true })
}
