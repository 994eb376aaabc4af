// The originals of uploads, kept so that a thumbnail that failed can be made again without a second transfer.

const originals = new Map()

/** Keeps a copy, so that no other part of the request stays alive with the image. */
export function rememberUpload(id, image) {
  originals.set(id, Buffer.from(image))
}

/**
 * Hands out an original and forgets it. Only a retry comes here: the original of an upload whose thumbnail
 * succeeded stays for ever. That is the leak.
 */
export function takeUpload(id) {
  const image = originals.get(id)
  originals.delete(id)
  return image
}
