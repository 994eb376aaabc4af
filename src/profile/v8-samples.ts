/**
 * What one sample of V8's heap sampler stands for.
 * V8 hands out size × round(weight), the weight being 1 / (1 - e^(-size/interval)): right for small objects, up to 37 % wrong
 * near the interval, and without the size neither a count nor a variance follows. So the size is found again: only a
 * few sizes give a product, and V8 also gives size × round(samples × weight) over all samples of a stack, which from the
 * second sample on of a size leaves one. Pure.
 */

export interface Sample {
  bytes: number
  count: number
  bytesVariance: number
  countVariance: number
}

/** V8 aligns objects to the size of a pointer, and none is smaller than two. */
const WORD = 8
const LEAST_SIZE = 2 * WORD
const SMALL = 4096
const MOST_COMBINATIONS = 20_000

/** 8 × lcm(1…10). Just above a multiple of it each size up to 80 bytes has a product of its own. */
const TELLING_APART = 20_160

/** The sampling interval near `bytes` at which V8's samples tell most of their sizes; small ones, as tests use, stay as they are. */
export function tellingInterval(bytes: number): number {
  return bytes < 4 * TELLING_APART ? bytes : Math.round(bytes / TELLING_APART) * TELLING_APART
}

/** `products` of the samples of one stack, `total` what V8 gives for them together. Answers in the order of `products`. */
export function weighSamples(products: readonly number[], total: number, interval: number): Sample[] {
  const numbers = new Map<number, number>()
  for (const product of products) numbers.set(product, (numbers.get(product) ?? 0) + 1)
  const groups = [...numbers].map(([product, n]) => ({ product, n, sizes: sizesOf(product, interval) }))
  const fitting = sizesThatSumTo(total, groups, interval)
  const samples = new Map(
    groups.map(({ product, sizes }, i) => [product, weigh(fitting[i]!.size > 0 ? fitting[i]! : sizes, interval)]),
  )
  return products.map((product) => samples.get(product)!)
}

/**
 * The weight of a sample that has one of `sizes`. Where several are left, their mean, each as likely as a sample of it is when
 * all orders of magnitude hold the same bytes: small ones are; the doubt adds to the variance.
 */
function weigh(sizes: Iterable<number>, interval: number): Sample {
  const mean: Sample = { bytes: 0, count: 0, bytesVariance: 0, countVariance: 0 }
  let [likelihoods, bytesSquared, countSquared] = [0, 0, 0]
  for (const size of sizes) {
    const missed = Math.exp(-size / interval)
    const count = 1 / (1 - missed)
    const bytes = size * count
    const likelihood = 1 / (count * size * size)
    likelihoods += likelihood
    mean.bytes += likelihood * bytes
    mean.count += likelihood * count
    mean.bytesVariance += likelihood * missed * bytes * bytes
    mean.countVariance += likelihood * missed * count * count
    bytesSquared += likelihood * bytes * bytes
    countSquared += likelihood * count * count
  }
  const bytes = mean.bytes / likelihoods
  const count = mean.count / likelihoods
  return {
    bytes,
    count,
    bytesVariance: mean.bytesVariance / likelihoods + Math.max(0, bytesSquared / likelihoods - bytes * bytes),
    countVariance: mean.countVariance / likelihoods + Math.max(0, countSquared / likelihoods - count * count),
  }
}

interface Group {
  n: number
  sizes: number[]
}

/** Of each group the sizes that occur in a choice, one of each group, which gives V8's total; empty sets where none does. */
function sizesThatSumTo(total: number, groups: readonly Group[], interval: number): Set<number>[] {
  const fitting = groups.map(() => new Set<number>())
  const combinations = groups.reduce((product, { sizes }) => product * sizes.length, 1)
  if (combinations > MOST_COMBINATIONS) return fitting
  const chosen: number[] = []
  const choose = (left: number): void => {
    const group = groups[chosen.length]
    if (group === undefined) {
      if (left === 0) for (const [i, size] of chosen.entries()) fitting[i]!.add(size)
      return
    }
    for (const size of group.sizes) {
      chosen.push(size)
      choose(left - size * roundedWeight(size, group.n, interval))
      chosen.pop()
    }
  }
  choose(total)
  return fitting
}

/** All sizes with this product, at least one: V8 may have another interval than we know of. */
function sizesOf(product: number, interval: number): number[] {
  const sizes: number[] = []
  const add = (size: number, weight: number) => {
    if (roundedWeight(size, 1, interval) === weight) sizes.push(size)
  }
  for (let size = LEAST_SIZE; size <= Math.min(SMALL, product); size += WORD) {
    if (product % size === 0) add(size, product / size)
  }
  for (let weight = Math.ceil(interval / SMALL) + 1; weight > 0; weight--) {
    const size = product / weight
    if (size > SMALL && size % WORD === 0) add(size, weight)
  }
  return sizes.length > 0 ? sizes : [Math.max(LEAST_SIZE, 2 * (product - interval))]
}

function roundedWeight(size: number, samples: number, interval: number): number {
  return Math.floor(samples / (1 - Math.exp(-size / interval)) + 0.5)
}
