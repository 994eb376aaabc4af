/** A process whose memory the test decides, in place of the native reading: so that sums can be compared exactly. */

import { binding, out } from '#dist/binding'
import { OUT } from '#dist/seam'

let rss = 2 ** 30
let peakRss = rss

/** From now on regions of this thread read the fake process. */
export function fakeReadings(): void {
  binding.readRegionEdge = () => {
    out.fill(0)
    out[OUT.rss] = rss
    out[OUT.anon] = rss - 2 ** 20
    out[OUT.peakRss] = peakRss
  }
}

export function grow(bytes: number): void {
  rss += bytes
  peakRss = Math.max(peakRss, rss)
}
