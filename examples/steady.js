'use strict'
// A service whose memory is steady: much garbage for each request, and a cache that is full before the first one.
// `node steady.js [SECONDS]`

const { BoundedCache } = require('./bounded-cache.js')
const { serve } = require('./self-load.js')

const PRODUCTS = 20_000
const CACHED = 2_000

const products = Array.from({ length: PRODUCTS }, (_, id) => ({
  id,
  name: `product ${id}`,
  category: id % 50,
  cents: (id * 7919) % 100_000,
}))

/** The product and the twenty others of its category that are nearest in price. */
function describe(id) {
  const product = products[id]
  const similar = products
    .filter((other) => other.category === product.category && other !== product)
    .map((other) => ({ ...other, distance: Math.abs(other.cents - product.cents) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 20)
  return JSON.stringify({ ...product, similar })
}

const answers = new BoundedCache(CACHED)
for (let id = 0; id < CACHED; id++) answers.get(id, describe)

serve({
  answer: (path) => answers.get(Number(path.slice(1)), describe),
  nextPath: () => `/${Math.floor(Math.random() * PRODUCTS)}`,
  perSecond: 200,
  seconds: Number(process.argv[2] ?? 30),
})
