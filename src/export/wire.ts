/**
 * The wire format of protocol buffers, as much of it as pprof needs.
 * @see https://protobuf.dev/programming-guides/encoding/
 */

const VARINT = 0
const FIXED_64 = 1
const LENGTH = 2
const FIXED_32 = 5

/** 64 bits, seven at a time. */
const LONGEST_VARINT = 10

/**
 * Writes into one buffer that grows. Fields have numbers below 16, as all of pprof's have. Integers that are 0 are left out
 * unless they are repeated: readers take 0 for them.
 */
export class WireWriter {
  #bytes: Buffer
  #at = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  /** An integer; of a negative one the two's complement; 0 of what is no finite number. */
  integer(field: number, value: number | bigint): void {
    if (value === 0) return
    this.#reserve(1 + LONGEST_VARINT)
    this.#bytes[this.#at++] = (field << 3) | VARINT
    if (value > 0 && value < 0x80) this.#bytes[this.#at++] = value as number
    else this.#varint(value)
  }

  string(field: number, text: string): void {
    // UTF-8 takes at most three bytes for a unit of UTF-16.
    this.#reserve(2 + LONGEST_VARINT + 3 * text.length)
    const start = this.begin(field)
    this.#at += this.#bytes.write(text, this.#at)
    this.end(start)
  }

  /** Bytes that were written by another writer. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** The first `count` of a packed repeated field's integers, zeros as well. The loop that a large profile spends its time in. */
  packed(field: number, values: Uint32Array | Float64Array, count: number): void {
    const start = this.begin(field)
    this.#reserve(count * LONGEST_VARINT)
    const bytes = this.#bytes
    let at = this.#at
    for (let i = 0; i < count; i++) {
      const value = values[i]!
      if (value < 0x80 && value >= 0) {
        bytes[at++] = value
      } else if (value < 0x4000 && value >= 0) {
        bytes[at++] = (value & 0x7f) | 0x80
        bytes[at++] = value >>> 7
      } else {
        this.#at = at
        this.#varint(value)
        at = this.#at
      }
    }
    this.#at = at
    this.end(start)
  }

  /** Opens a message, or anything else with a length; `end` takes what this returns. */
  begin(field: number): number {
    this.#reserve(2)
    this.#bytes[this.#at++] = (field << 3) | LENGTH
    return this.#at++
  }

  /** Writes the length where `begin` left one byte for it. */
  end(start: number): void {
    const length = this.#at - start - 1
    if (length < 0x80) {
      this.#bytes[start] = length
      return
    }
    const size = varintSize(length)
    this.#reserve(size)
    this.#bytes.copyWithin(start + size, start + 1, this.#at)
    this.#at = start
    this.#varint(length)
    this.#at += length
  }

  written(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Where there is room for it. */
  #varint(value: number | bigint): void {
    const bytes = this.#bytes
    let low: number
    if (typeof value === 'number' && value >= 0 && value < 2 ** 31) {
      low = value
    } else {
      let rest = BigInt.asUintN(64, toBigInt(value))
      for (; rest >= 2n ** 31n; rest >>= 7n) bytes[this.#at++] = Number(rest & 0x7fn) | 0x80
      low = Number(rest)
    }
    for (; low >= 0x80; low >>>= 7) bytes[this.#at++] = (low & 0x7f) | 0x80
    bytes[this.#at++] = low
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

function toBigInt(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n
}

function varintSize(value: number): number {
  return value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : value < 2 ** 28 ? 4 : 5
}

/** Thrown by a reader: the bytes are not in the format. */
export class WireError extends Error {}

/** Reads the fields of one message, in order. Never beyond its bytes, whatever they are. */
export class WireReader {
  readonly #bytes: Buffer
  #at: number
  readonly #end: number
  #type = VARINT

  constructor(bytes: Buffer, from = 0, to = bytes.length) {
    this.#bytes = bytes
    this.#at = from
    this.#end = to
  }

  /** The number of the next field, 0 at the end. Read or skip its value before the next one. */
  next(): number {
    if (this.#at >= this.#end) return 0
    const tag = this.#varint()
    this.#type = tag % 8
    const field = Math.floor(tag / 8)
    if (field === 0) throw new WireError('a field has the number 0')
    return field
  }

  /** Signed, as int64 is; beyond 2^53 the nearest number. */
  integer(): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  string(): string {
    const [from, to] = this.#span()
    return this.#bytes.toString('utf8', from, to)
  }

  message(): WireReader {
    const [from, to] = this.#span()
    return new WireReader(this.#bytes, from, to)
  }

  /** A repeated integer, in either of its forms. */
  integers(into: number[]): void {
    if (this.#type === VARINT) {
      into.push(this.#varint())
      return
    }
    const packed = this.message()
    while (packed.#at < packed.#end) into.push(packed.#varint())
  }

  skip(): void {
    if (this.#type === VARINT) this.#varint()
    else if (this.#type === LENGTH) this.#span()
    else if (this.#type === FIXED_64) this.#advance(8)
    else if (this.#type === FIXED_32) this.#advance(4)
    else throw new WireError(`a field has the unknown type ${this.#type}`)
  }

  #expect(type: number): void {
    if (this.#type !== type) throw new WireError(`a field has the type ${this.#type} instead of ${type}`)
  }

  #span(): [from: number, to: number] {
    this.#expect(LENGTH)
    const length = this.#varint()
    const from = this.#at
    if (length < 0) throw new WireError('a length is negative')
    this.#advance(length)
    return [from, this.#at]
  }

  #advance(count: number): void {
    if (count > this.#end - this.#at) throw new WireError('a field reaches beyond its message')
    this.#at += count
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < LONGEST_VARINT; i++) {
      if (this.#at >= this.#end) break
      const byte = this.#bytes[this.#at++]!
      if (i >= 7) return this.#longVarint(i)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new WireError('a number is cut off')
  }

  /** From its first byte again, with all 64 bits. `read` bytes, and one more, are behind us. */
  #longVarint(read: number): number {
    this.#at -= read + 1
    let value = 0n
    for (let i = 0n; i < LONGEST_VARINT; i++) {
      if (this.#at >= this.#end) break
      const byte = this.#bytes[this.#at++]!
      value |= BigInt(byte & 0x7f) << (7n * i)
      if (byte < 0x80) return Number(BigInt.asIntN(64, value))
    }
    throw new WireError('a number is cut off')
  }
}
