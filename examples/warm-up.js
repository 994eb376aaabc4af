'use strict'
// A service that warms up: its cache of 80 MiB of rendered tiles fills in the first eight seconds, and then stays.
// `node warm-up.js [SECONDS]`

const { BoundedCache } = require('./bounded-cache.js')
const { serve } = require('./self-load.js')

const TILES = 1_280
const TILE_BYTES = 64 * 1024
const PER_SECOND = 160 // 1,280 tiles in eight seconds

const tiles = new BoundedCache(TILES)

/** Stands for a slow rendering whose result is worth keeping. */
function render(id) {
  return Buffer.alloc(TILE_BYTES, `tile ${id} `)
}

let requests = 0

serve({
  answer: (path) => {
    const tile = tiles.get(Number(path.slice(1)), render)
    return JSON.stringify({ bytes: tile.length, first: tile.toString('latin1', 0, 16) })
  },
  nextPath: () => `/${requests++ % TILES}`,
  perSecond: PER_SECOND,
  seconds: Number(process.argv[2] ?? 30),
})
