'use strict'
// An HTTP service and its only client in one process, on loopback: for examples that drive themselves.

const { Agent, createServer, get } = require('node:http')
const { setInterval: ticks } = require('node:timers/promises')
const { json } = require('node:stream/consumers')

const TICK_MS = 50

function ask(port, agent, path) {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => resolve(json(response))).on('error', reject)
  })
}

/**
 * Serves `answer(path)` as JSON on a free port for `seconds`, asking it for `nextPath()` `perSecond` times a second.
 * A service that is too slow for that gets fewer requests, not more of them at a time.
 */
exports.serve = async ({ answer, nextPath, perSecond, seconds }) => {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(answer(request.url))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const agent = new Agent({ keepAlive: true })

  const end = performance.now() + seconds * 1000
  for await (const _ of ticks(TICK_MS)) {
    await Promise.all(Array.from({ length: (perSecond * TICK_MS) / 1000 }, () => ask(port, agent, nextPath())))
    if (performance.now() > end) break
  }
  agent.destroy()
  server.close()
}
