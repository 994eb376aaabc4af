'use strict'
// The routes of a shop, of which none keeps anything.

const { makeGarbage } = require('./garbage.js')

/** @param next a seeded generator */
exports.routes = (next) => ({
  '/products': () => JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, price: next(1e6) }))),
  '/search': (words) => String(makeGarbage(next) + words.length),
  '/basket': (id) => JSON.stringify({ id, lines: Array.from({ length: 20 }, () => next(1e6)) }),
  '/image': () => Buffer.alloc(20_000, 7),
  '/login': (name) => Buffer.from(name).toString('base64url'),
  '/health': () => 'ok',
  '/prices': () => 'price,'.repeat(2000),
})
