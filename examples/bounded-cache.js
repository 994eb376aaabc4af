'use strict'

/** A cache of at most `capacity` entries: the one that was used longest ago makes room for a new one. */
exports.BoundedCache = class BoundedCache {
  #entries = new Map() // A Map iterates in the order of insertion: the first entry is the oldest.

  constructor(capacity) {
    this.capacity = capacity
  }

  /** The value of `key`, made by `make(key)` when it is not in the cache. */
  get(key, make) {
    const value = this.#entries.get(key) ?? make(key)
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.capacity) this.#entries.delete(this.#entries.keys().next().value)
    return value
  }
}
