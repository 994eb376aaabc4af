'use strict'
// An HTTP service and its client in one process, on loopback.

const { Agent, createServer, get } = require('node:http')

/**
 * Starts a service; `handlers` give the answer of each path, its query being the second part of the URL.
 * Gives `ask(url)`, which resolves with the answer's length.
 */
exports.startService = async (handlers, { keepAlive = true } = {}) => {
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const [path, query] = request.url.split('?')
    response.end(handlers[path](query))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const agent = new Agent({ keepAlive, maxSockets: 16 })
  return (path) =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, agent }, (response) => {
        let length = 0
        response.on('data', (chunk) => {
          length += chunk.length
        })
        response.on('end', () => resolve(length))
      }).on('error', reject)
    })
}
