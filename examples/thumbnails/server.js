// A thumbnail service: POST an image to /uploads, get its thumbnail back. It leaks on purpose: README.md says what.

import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { LRUCache } from 'lru-cache'
import sharp from 'sharp'
import { rememberUpload, takeUpload } from './uploads.js'

sharp.cache(false) // No image comes twice, so libvips's own cache of operations would only hold memory.

const thumbnails = new LRUCache({ max: 64 })

const app = Fastify({ bodyLimit: 16 * 1024 * 1024 })
app.addContentTypeParser(['image/jpeg', 'image/png'], { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

async function sendThumbnail(reply, id, image) {
  const thumbnail = await sharp(image).resize(256, 256, { fit: 'inside' }).webp().toBuffer()
  thumbnails.set(id, { thumbnail, receivedAt: new Date().toISOString(), bytes: image.length })
  return reply.code(201).header('location', `/thumbnails/${id}`).type('image/webp').send(thumbnail)
}

app.get('/health', () => ({ status: 'ok', uptimeSeconds: process.uptime() }))

app.post('/uploads', (request, reply) => {
  const id = randomUUID()
  rememberUpload(id, request.body)
  return sendThumbnail(reply, id, request.body)
})

app.post('/uploads/:id/retry', (request, reply) => {
  const image = takeUpload(request.params.id)
  return image ? sendThumbnail(reply, request.params.id, image) : reply.callNotFound()
})

app.get('/uploads', () => Array.from(thumbnails, ([id, { receivedAt, bytes }]) => ({ id, receivedAt, bytes })))

app.get('/thumbnails/:id', (request, reply) => {
  const entry = thumbnails.get(request.params.id)
  return entry ? reply.type('image/webp').send(entry.thumbnail) : reply.callNotFound()
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
