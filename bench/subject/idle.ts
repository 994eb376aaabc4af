/**
 * A small service that has served some requests and has nothing to do any more. Its argument says what it has of
 * tidemark: nothing, the import, or a watch too.
 * Without the requests it would be no service, and whatever came first, the thread pool, a collection or V8's compilers,
 * would look like the price of what set it off.
 */

import { readFile } from 'node:fs/promises'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export type Arming = 'bare' | 'imported' | 'watched'
export type Question = 'cpu' | 'collect'

const REQUESTS = 1_000

const server = createServer(async (_request, response) => {
  const body = await readFile(__filename, 'utf8')
  response.end(JSON.stringify(body.split('\n')))
})

function request(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, agent }, (response) => resolve(text(response))).on('error', reject)
  })
}

async function serveSome(): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const { port } = server.address() as AddressInfo
  for (let i = 0; i < REQUESTS; i++) await request(port, agent)
  agent.destroy()
}

server.listen(0, '127.0.0.1', async () => {
  const arming = process.argv[2] as Arming
  if (arming !== 'bare') {
    const { watch } = require('tidemark') as typeof import('tidemark')
    if (arming === 'watched') watch()
  }
  await serveSome()
  process.on('message', (question: Question) => {
    if (question === 'collect') {
      gc!()
      gc!()
    }
    process.send!(process.cpuUsage())
  })
  process.send!('ready')
})
