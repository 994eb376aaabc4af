// Finds files by how their names end (Node 20 has no glob).

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** Paths from the root, sorted, of the files under `folder` whose names end in one of `endings`. */
export function filesUnder(folder, ...endings) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .map((path) => join(folder, path))
    .sort()
}
