/** The typed seam to the loops of bench/native/allocations.cc. */

import { join } from 'node:path'

/** In native order. An operation is a malloc and a free; the numbers are of operations a measurement. */
export const MICROS = {
  'pair of 64 B': 2_000_000,
  'batch of 64 × 256 B': 1_000_000,
  '1,000 live blocks to 1 KiB': 1_000_000,
  '200,000 live blocks to 1 KiB': 400_000,
  '1,000 live blocks to 64 KiB': 300_000,
} as const

export type Micro = keyof typeof MICROS

export interface Allocations {
  /** CPU time of an operation, ns; each thread does its part of the operations. */
  run(loop: number, operations: number, threads: number): number
  through<T>(call: () => T): T
  retain(bytes: number): void
}

export function loadAllocations(): Allocations {
  return require(join(__dirname, '../../..', 'bench/native/build/Release/allocations.node')) as Allocations
}

export function loopOf(micro: Micro): number {
  return Object.keys(MICROS).indexOf(micro)
}
