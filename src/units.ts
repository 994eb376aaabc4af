/** How numbers are written for people and read from them: binary bytes, durations, rates. Pure. */

import { TidemarkError } from './errors.js'

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
const MIB = 2 ** 20

const MS = { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86400e3 } as const

/** One decimal below ten, none above, and no trailing `.0`: enough to compare two lines, never false precision. */
function short(value: number): string {
  const digits = Math.abs(value) < 9.95 ? 1 : 0
  const text = value.toFixed(digits)
  return text.endsWith('.0') ? text.slice(0, -2) : text
}

/** Bytes in binary units: `1.5 MiB`, `512 KiB`, `0 B`; `signed` puts a `+` before growth. */
export function formatBytes(bytes: number, { signed = false }: { signed?: boolean } = {}): string {
  let value = Math.abs(bytes)
  let unit = 0
  // 1023.5 would be printed as 1024: it belongs to the next unit.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  const text = unit === 0 ? Math.round(value).toString() : short(value)
  const sign = text === '0' ? '' : bytes < 0 ? '-' : signed ? '+' : ''
  return `${sign}${text} ${BYTE_UNITS[unit]}`
}

/**
 * A number of bytes from `4096`, `512KiB`, `1.5 GiB` (case does not matter).
 * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` for anything else, also for decimal units: `1MB` could mean either
 */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?$/i.exec(text.trim())
  const unit = BYTE_UNITS.findIndex((name) => name.toLowerCase() === (match?.[2] ?? 'B').toLowerCase())
  const bytes = match ? Math.round(Number(match[1]) * 1024 ** unit) : Number.NaN
  if (!Number.isSafeInteger(bytes)) {
    throw new TidemarkError(
      'ERR_TIDEMARK_ARGUMENT',
      `'${text}' is not a size: write bytes or a binary unit, such as 4096, 512KiB, 1.5GiB`,
    )
  }
  return bytes
}

/** A duration in the largest unit that keeps it readable: `250 ms`, `20 s`, `32 min`, `2.5 h`, `3 days`. */
export function formatDuration(ms: number): string {
  const size = Math.abs(ms)
  if (size < 999.5) return `${Math.round(ms)} ms`
  if (size < 100 * MS.s) return `${short(ms / MS.s)} s`
  if (size < 100 * MS.min) return `${short(ms / MS.min)} min`
  if (size < 48 * MS.h) return `${short(ms / MS.h)} h`
  return `${short(ms / MS.d)} days`
}

/**
 * Milliseconds from `250ms`, `1s`, `5m` (or `5min`), `2h`, `1d`.
 * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` for anything else, also for a number without a unit
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/.exec(text.trim())
  const ms = match ? Number(match[1]) * MS[match[2] as keyof typeof MS] : Number.NaN
  if (!Number.isSafeInteger(Math.round(ms))) {
    throw new TidemarkError(
      'ERR_TIDEMARK_ARGUMENT',
      `'${text}' is not a duration: write a number and a unit, such as 250ms, 1s, 5m, 2h`,
    )
  }
  return ms
}

/**
 * A rate per second, minute or hour, whichever first gives at least a mebibyte: `3.1 MiB/s`, `15 MiB/min`, `2 MiB/h`.
 * `like` is the rate that chooses the period, so that the ends of an interval are written as its middle is.
 */
export function formatRate(bytesPerHour: number, { like = bytesPerHour }: { like?: number } = {}): string {
  const size = Math.abs(like)
  if (size >= MIB * 3600) return `${formatBytes(bytesPerHour / 3600)}/s`
  if (size >= MIB * 60) return `${formatBytes(bytesPerHour / 60)}/min`
  return `${formatBytes(bytesPerHour)}/h`
}
