/**
 * Regions: named spans of code to which growth is attributed. Entering one stores a number that native code reads;
 * a few calls are measured (budget.ts says which).
 * The paths of calls that are not measured are written out here, without closures or objects, and cost nanoseconds.
 * Everything here is per thread: each worker loads its own copy of this module, and reports its own regions.
 */

import { performance } from 'node:perf_hooks'
import { TidemarkError } from '../errors.js'
import type { RegionLine } from '../readings/reading.js'
import { attend, attendUntilEnd, isPlain } from './attend.js'
import { type Call, callSettled, callSuspended } from './call.js'
import { enterContext, follow, following } from './follow.js'
import { budget, keepTurning, regions } from './measurement.js'
import { regionMemory } from './memory.js'
import { lines, RegionReport } from './report.js'
import * as stack from './stack.js'
import type { Region, RegionOptions } from './table.js'
import { rememberWrapped } from './wrapped-functions.js'

// biome-ignore lint/suspicious/noExplicitAny: `any` is how TypeScript writes "some function", whatever its parameters
export type AnyFunction = ((...args: any[]) => any) | (abstract new (...args: any[]) => any)

/** An open region. Leave it once: leaving again does nothing. */
export interface RegionHandle extends Disposable {
  leave(): void
}

/**
 * Growth by region: wrap operation by operation, and read in the report the one whose memory goes up and stays up.
 * Memory is the process's: what other threads gain while a call runs is in its numbers; CPU and faults are this thread's,
 * heap and external this isolate's. Regions are per thread: a worker reports its own.
 */
export interface RegionFunction {
  /**
   * Runs `fn` now, as region `name`, and returns what it returns; errors pass through.
   * If that is a promise, the region ends when it settles, and the promise returned is one that settles with it, whether
   * the call is measured or not. The region is current until the first await; after it the caller's is again, and code
   * after the await is in no region unless `followAsync` is on. A thenable, and a promise of a subclass or with properties
   * of its own, is returned as it is, and the region ends at once: to end it later, await it in an async `fn`.
   * Not measured, a call costs 6 ns, 13 ns where names alternate, 40 ns more with a promise; measured, about 3 us.
   * @param name 1 to 200 characters; name the operation, not its input: names beyond the first 1,024 are counted as `(other)`
   * @param options `kind: 'cache'` where what is allocated may be kept; saying it once holds for all of the name
   * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` for another name or kind, or if `fn` is not a function
   */
  <T>(name: string, fn: () => T, options?: RegionOptions): T

  /**
   * Enters region `name` until the handle is left or disposed: `using r = region.enter('checkout')`. Not measured: 5 ns.
   * For synchronous code: across an await the region would stay current for whatever runs meanwhile. With `followAsync`
   * a handle may be held across awaits; it is then current also in the rest of the synchronous code that called the async function.
   * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` as for `region`
   */
  enter(name: string, options?: RegionOptions): RegionHandle

  /**
   * A function that does what `fn` does, as region `name`, as `region` does: with the same name, length, `this`, properties
   * and prototype, and with `new` it constructs what `fn` constructs. Of a generator function the region is the call
   * that makes the generator, not its iteration. Not measured: 5 ns, because the name is looked up once.
   * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` as for `region`, and if `fn` is not a function
   */
  wrap<F extends AnyFunction>(name: string, fn: F, options?: RegionOptions): F

  /** What every region of this thread has cost so far. */
  report(): RegionReport

  /**
   * Sets how much of wall time measuring may take: 0.01 unless set; 1 measures every call. It holds over any long time; new work
   * may run ahead of it by about what one second allows. Entering and leaving without measuring is not part of it.
   * @throws {TidemarkError} `ERR_TIDEMARK_ARGUMENT` unless 0 < fraction <= 1
   */
  budget(fraction: number): void

  /**
   * Follows regions through awaits, timers and callbacks: code there is then in the region that started it, for native samples and
   * as parent of the regions entered there; regions that await each other in turn no longer count as overlapped. Off unless
   * asked for, because all async code pays: every await of the process takes 150 ns instead of 40 on Node 20 and 22, 105 ns instead
   * of 20 to 60 on 24 and 26; a call that is not measured takes 37 ns on Node 20 and 22, 190 ns on 24 and 26, and about 650 ns
   * with a promise instead of 120.
   * On Node 24 and later a callback bound by `AsyncResource` or `AsyncLocalStorage.snapshot` runs in its caller's region
   * for native samples; the regions it enters know their parent.
   */
  followAsync(on: boolean): void
}

function run<T>(name: string, fn: () => T, options?: RegionOptions): T {
  const region = regions.find(name)
  if (options !== undefined) regions.declare(region, options)
  if (typeof fn !== 'function') throw notFunction('region(name, fn)', fn)
  if (--region.gap < 0 || following.on) return attend(region, fn, undefined, [])
  const mark = stack.enter(region.id)
  try {
    const result = fn()
    return result instanceof Promise ? settling(result) : result
  } finally {
    stack.leave(mark)
  }
}

function wrap<F extends AnyFunction>(name: string, fn: F, options?: RegionOptions): F {
  const region = regions.find(name)
  if (options !== undefined) regions.declare(region, options)
  if (typeof fn !== 'function') throw notFunction('region.wrap(name, fn)', fn)
  // Called with the arguments of `wrapped` as they are: V8 then never makes an array of them.
  function attended(this: unknown, ...args: unknown[]): unknown {
    return attend(region, fn as never, this, args)
  }
  function wrapped(this: unknown, ...args: unknown[]): unknown {
    if (new.target) return construct(region, fn, args, new.target === wrapped ? fn : new.target)
    if (--region.gap < 0 || following.on) return Reflect.apply(attended, this, args)
    const mark = stack.enter(region.id)
    try {
      const result = Reflect.apply(fn as () => unknown, this, args)
      return result instanceof Promise ? settling(result) : result
    } finally {
      stack.leave(mark)
    }
  }
  rememberWrapped(fn, wrapped, region)
  return disguise(wrapped, fn)
}

function notFunction(call: string, fn: unknown): TidemarkError {
  return new TidemarkError('ERR_TIDEMARK_ARGUMENT', `${call} needs a function, not ${typeof fn}`)
}

/** Gives `wrapped` all that can be seen of `fn`. `arguments` and `caller` of sloppy functions are not theirs to copy. */
function disguise<F extends AnyFunction>(wrapped: unknown, fn: F): F {
  const { arguments: _, caller: __, ...properties } = Object.getOwnPropertyDescriptors(fn) as PropertyDescriptorMap
  Object.defineProperties(wrapped, properties)
  return Object.setPrototypeOf(wrapped, Object.getPrototypeOf(fn))
}

function construct(region: Region, fn: AnyFunction, args: unknown[], target: AnyFunction): object {
  region.gap--
  return attend(region, Reflect.construct, undefined, [fn, args, target])
}

/** A promise of a call that nobody attends to: only counted, because it may overlap with one that is measured. */
function settling<T>(promise: T & Promise<unknown>): T {
  if (!isPlain(promise)) return promise
  callSuspended()
  return promise.then(settled, failed) as T
}

function settled(value: unknown): unknown {
  callSettled()
  return value
}

function failed(error: unknown): never {
  callSettled()
  throw error
}

const LEFT = 0

class Handle implements RegionHandle {
  #mark: number

  constructor(mark: number) {
    this.#mark = mark
  }

  leave(): void {
    if (this.#mark === LEFT) return
    stack.leave(this.#mark)
    this.#mark = LEFT
  }

  [Symbol.dispose](): void {
    this.leave()
  }
}

class AttendedHandle implements RegionHandle {
  #call: Call

  constructor(region: Region) {
    this.#call = attendUntilEnd(region)
    if (following.on) enterContext(this.#call)
  }

  leave(): void {
    if (this.#call.open) this.#call.end()
  }

  [Symbol.dispose](): void {
    this.leave()
  }
}

function enter(name: string, options?: RegionOptions): RegionHandle {
  const region = regions.find(name)
  if (options !== undefined) regions.declare(region, options)
  if (--region.gap < 0 || following.on) return new AttendedHandle(region)
  return new Handle(stack.enter(region.id))
}

function setBudget(fraction: number): void {
  if (!(typeof fraction === 'number' && fraction > 0 && fraction <= 1)) {
    throw new TidemarkError(
      'ERR_TIDEMARK_ARGUMENT',
      `a budget is a fraction of wall time above 0 and at most 1, not ${fraction}: 0.01 is one percent`,
    )
  }
  budget.change(fraction, performance.now())
  keepTurning()
}

function report(): RegionReport {
  return new RegionReport(regions.all(), budget.fraction, budget.spentMs, performance.now(), regionMemory())
}

export const region: RegionFunction = Object.assign(run, {
  enter,
  wrap,
  report,
  budget: setBudget,
  followAsync: follow,
})

/** What a line of the timeline says of the regions; undefined when no region was ever used. */
export function regionLines(): Record<string, RegionLine> | undefined {
  const all = regions.all()
  return all.length > 0 ? lines(all) : undefined
}
