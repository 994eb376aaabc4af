/** A second reading of pprof's format, with nothing in common with the one in src: every number a bigint, no bounds. */

type Field = [number: number, value: bigint | Buffer]

function fields(bytes: Buffer): Field[] {
  const found: Field[] = []
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes.readUInt8(at++))
      value |= (byte & 127n) << shift
      if (byte < 128n) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const number = tag >> 3
    if ((tag & 7) === 0) {
      found.push([number, varint()])
    } else if ((tag & 7) === 2) {
      const length = Number(varint())
      at += length
      found.push([number, bytes.subarray(at - length, at)])
    } else {
      throw new Error(`type ${tag & 7}`)
    }
  }
  return found
}

const all = (message: Field[], number: number) => message.filter(([n]) => n === number).map(([, value]) => value)
const messages = (message: Field[], number: number) => all(message, number).map((value) => fields(value as Buffer))
const integer = (message: Field[], number: number) => BigInt.asIntN(64, (all(message, number)[0] ?? 0n) as bigint)
const packed = (message: Field[], number: number) => {
  return all(message, number).flatMap((value) => {
    // Each varint of a packed field is read as the value of a field of its own.
    const bytes = value as Buffer
    const values: bigint[] = []
    for (let from = 0, at = 0; at < bytes.length; at++) {
      if (bytes[at]! >= 128) continue
      values.push(
        BigInt.asIntN(64, fields(Buffer.concat([Buffer.from([8]), bytes.subarray(from, at + 1)]))[0]![1] as bigint),
      )
      from = at + 1
    }
    return values
  })
}

export function decodePprof(bytes: Buffer) {
  const profile = fields(bytes)
  const strings = all(profile, 6).map(String)
  const string = (message: Field[], number: number) => {
    const text = strings[Number(integer(message, number))]
    if (text === undefined) throw new Error('no such string')
    return text
  }
  const type = (message: Field[]) => `${string(message, 1)}/${string(message, 2)}`
  const byId = <T>(number: number, read: (message: Field[]) => T) => {
    return new Map(messages(profile, number).map((message) => [Number(integer(message, 1)), read(message)]))
  }
  const mappings = byId(3, (m) => ({
    start: Number(integer(m, 2)),
    end: Number(integer(m, 3)),
    offset: Number(integer(m, 4)),
    path: string(m, 5),
    buildId: string(m, 6),
    hasFunctions: integer(m, 7) === 1n,
  }))
  const functions = byId(5, (m) => ({ name: string(m, 2), file: string(m, 4) }))
  const locations = byId(4, (m) => ({
    mapping: mappings.get(Number(integer(m, 2))),
    address: Number(integer(m, 3)),
    lines: messages(m, 4).map((line) => ({
      ...functions.get(Number(integer(line, 1)))!,
      line: Number(integer(line, 2)),
      column: Number(integer(line, 3)),
    })),
  }))
  const samples = messages(profile, 2).map((m) => ({
    stack: packed(m, 1).map((id) => {
      const location = locations.get(Number(id))
      if (!location) throw new Error('no such location')
      return location
    }),
    values: packed(m, 2).map(Number),
    labels: Object.fromEntries(messages(m, 3).map((label) => [string(label, 1), string(label, 2)])),
  }))
  return {
    strings,
    samples,
    mappings: [...mappings.values()],
    locations,
    functions: [...functions.values()],
    sampleTypes: messages(profile, 1).map(type),
    periodType: messages(profile, 11).map(type)[0],
    period: Number(integer(profile, 12)),
    timeNanos: integer(profile, 9),
    durationNanos: integer(profile, 10),
    comments: all(profile, 13).map((number) => strings[Number(number)]),
    defaultSampleType: string(profile, 14),
  }
}
