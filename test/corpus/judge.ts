/** Decides whether a verdict is right about a program whose truth is known. Pure. */

import type { Owner, Site, Verdict } from 'tidemark'

/** Who allocates what leaks: all that is given must hold of the first site of the cause. */
export interface TrueSite {
  function?: string
  /** Part of the file's name: for code whose functions the program cannot know. */
  file?: string
  /** A JavaScript function that is on the stack: of an addon's or a package's memory, the user's code that asked for it. */
  caller?: string
}

export interface TrueCause {
  owner: Owner
  /** As the program measured it. */
  bytesPerHour: number
  /** Absent where memory of this owner is not sampled, or no code of anybody's is on the stack. */
  site?: TrueSite
}

/** What a program says of itself, in its line on stdout: see support/truth.js. */
export interface Truth {
  /** Kinds of verdict that are right. */
  kinds: Verdict['kind'][]
  /** Of a leak: owners that a verdict must name, the one that grows most first. */
  causes: TrueCause[]
  /** Owners that grow with them, which a verdict may name or not. */
  along: Owner[]
}

/** Rates are right within this share of the truth, or where the truth lies in the interval. */
const RATE_TOLERANCE = 0.25

/** What is wrong, in words; empty is right. */
export interface Judgement {
  kind: string[]
  owner: string[]
  site: string[]
  rate: string[]
}

export function judge(verdict: Verdict, truth: Truth): Judgement {
  const judgement: Judgement = { kind: [], owner: [], site: [], rate: [] }
  if (!truth.kinds.includes(verdict.kind)) judgement.kind.push(`${verdict.kind} instead of ${truth.kinds.join(' or ')}`)
  const leaks = verdict.causes.filter(({ kind }) => kind === 'leak')
  const [first] = truth.causes
  const innocent = leaks.filter(({ owner }) => !isTrue(owner, truth)).map(({ owner }) => owner)
  if (innocent.length > 0) judgement.owner.push(`${innocent.join(', ')} accused`)
  for (const { owner, site, bytesPerHour } of truth.causes) {
    const found = leaks.find((cause) => cause.owner === owner)
    if (found === undefined) {
      judgement.owner.push(`${owner} not named`)
      continue
    }
    if (owner === first?.owner && found !== leaks[0]) judgement.owner.push(`${leaks[0]?.owner} before ${owner}`)
    if (site && !isSite(found.sites[0], site)) judgement.site.push(`${found.sites[0]?.function ?? 'none'} of ${owner}`)
    const { growth } = found
    const close = Math.abs(growth.bytesPerHour - bytesPerHour) <= RATE_TOLERANCE * bytesPerHour
    const within = growth.low <= bytesPerHour && bytesPerHour <= growth.high
    if (!close && !within)
      judgement.rate.push(`${Math.round((100 * growth.bytesPerHour) / bytesPerHour)} % of ${owner}'s`)
  }
  return judgement
}

function isTrue(owner: Owner, { causes, along }: Truth): boolean {
  return along.includes(owner) || causes.some((cause) => cause.owner === owner)
}

function isSite(site: Site | undefined, truth: TrueSite): boolean {
  return (
    site !== undefined &&
    (truth.function === undefined || site.function === truth.function) &&
    (truth.file === undefined || site.file.includes(truth.file)) &&
    (truth.caller === undefined || site.stack.some((frame) => frame.function === truth.caller))
  )
}

export function isRight({ kind, owner, site, rate }: Judgement): boolean {
  return [kind, owner, site, rate].every((wrong) => wrong.length === 0)
}
