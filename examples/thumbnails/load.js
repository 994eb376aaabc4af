// Load for server.js: `node load.js URL [SECONDS]`. Uploads images at a fixed rate, and says how many bytes it sent:
// the server keeps every one of them, so that is how much it has leaked.

import { setTimeout as delay } from 'node:timers/promises'
import autocannon from 'autocannon'
import sharp from 'sharp'

const CONNECTIONS = 4
const REQUESTS_PER_SECOND = 45 // one in three is an upload
const START_TIMEOUT_MS = 30_000

const [url, seconds = '20'] = process.argv.slice(2)

/** Noise, because the size of a compressed image is that of its detail: these are as large as photographs. */
function makeImage({ width, height, format }) {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 }
  return sharp({ create: { width, height, channels: 3, background: 'grey', noise } })
    .toFormat(format)
    .toBuffer()
}

const SHAPES = [
  { width: 640, height: 480, format: 'jpeg' },
  { width: 640, height: 480, format: 'png' },
  { width: 1280, height: 720, format: 'jpeg' },
  { width: 800, height: 600, format: 'jpeg' },
  { width: 1024, height: 768, format: 'jpeg' },
]

const sent = { uploads: 0, bytes: 0 }

/** What one client does: uploads, looks at the thumbnail, lists what is there. */
function visit(image, format) {
  return [
    {
      method: 'POST',
      path: '/uploads',
      headers: { 'content-type': `image/${format}` },
      body: image,
      onResponse(status, _body, context, headers) {
        if (status !== 201) return
        sent.uploads++
        sent.bytes += image.length
        context.thumbnail = headers.location
      },
    },
    { setupRequest: (request, context) => ({ ...request, path: context.thumbnail ?? '/health' }) },
    { path: '/uploads' },
  ]
}

async function untilHealthy() {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      if ((await fetch(new URL('/health', url))).ok) return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await delay(100)
  }
}

const visits = await Promise.all(SHAPES.map(async (shape) => visit(await makeImage(shape), shape.format)))
await untilHealthy()
const result = await autocannon({
  url,
  duration: Number(seconds),
  connections: CONNECTIONS,
  overallRate: REQUESTS_PER_SECOND,
  requests: visits.flat(),
})

const mib = sent.bytes / 2 ** 20
console.error(
  `load: ${sent.uploads} uploads, ${mib.toFixed(1)} MiB in ${result.duration} s: ${(mib / result.duration).toFixed(1)} MiB/s`,
)
if (result.errors + result.non2xx > 0) {
  console.error(`load: ${result.errors} errors and ${result.non2xx} answers other than 2xx`)
  process.exitCode = 1
}
