/** `tidemark export`: a profile in the formats of other tools. */

import { writeFileSync } from 'node:fs'
import { errorCode, TidemarkError } from '../errors.js'
import { readProfile } from '../export/read-profile.js'
import type { StackOptions } from '../export/stacks.js'
import type { Profile } from '../profile/profile.js'
import { PROFILE_VALUES, type ProfileValue } from '../profile/value.js'
import { type Command, expectWords, parse, UsageError } from './command.js'

const HELP = `tidemark export [options] PROFILE --to FORMAT

Writes a profile as another tool reads it, to stdout. PROFILE is a folder made by tidemark run, a pprof of memory, or a
.heapprofile of V8. FORMAT is one of

  html         a flame graph as one page that opens anywhere
  speedscope   JSON for https://www.speedscope.app
  collapsed    a line a stack, for flamegraph.pl and others
  heapprofile  for the Memory panel of Chrome DevTools: what lives
  pprof        for go tool pprof and others: all values, all frames, labels

  -o, --output FILE  write to this file instead
  --value VALUE      what html, speedscope and collapsed show: ${PROFILE_VALUES.join(', ')};
                     live-bytes unless given
  --show-internal    html, speedscope and collapsed show every frame of Node and V8, not only the one nearest the leaf
  -h, --help
`

const OPTIONS = {
  to: { type: 'string' },
  output: { type: 'string', short: 'o' },
  value: { type: 'string' },
  'show-internal': { type: 'boolean' },
} as const

/** Formats that show one value; the others have their own. */
const FLAME_GRAPHS: Record<string, (profile: Profile, options: StackOptions) => string> = {
  html: (profile, options) => profile.toHtml(options),
  speedscope: (profile, options) => `${profile.toSpeedscope(options)}\n`,
  collapsed: (profile, options) => profile.toCollapsed(options),
}

const WHOLE: Record<string, (profile: Profile) => string | Buffer> = {
  heapprofile: (profile) => `${profile.toHeapProfile()}\n`,
  pprof: (profile) => profile.toPprof(),
}

export const exportProfile: Command = {
  help: HELP,
  async run(words) {
    const { values, positionals } = parse(words, OPTIONS)
    const { PROFILE: path } = expectWords(positionals, 'PROFILE')
    const write = writer(values.to, values.value, values['show-internal'])
    output(write(readProfile(path)), values.output)
    return 0
  },
}

function writer(
  to: string | undefined,
  value: string | undefined,
  showInternal: boolean | undefined,
): (profile: Profile) => string | Buffer {
  if (to === undefined) throw new UsageError('--to FORMAT is missing')
  if (Object.hasOwn(WHOLE, to)) {
    const odd = value !== undefined ? '--value' : showInternal ? '--show-internal' : undefined
    if (odd) throw new UsageError(`${odd}: ${to} has no choice of it`)
    return WHOLE[to]!
  }
  if (!Object.hasOwn(FLAME_GRAPHS, to)) {
    const formats = [...Object.keys(FLAME_GRAPHS), ...Object.keys(WHOLE)]
    throw new UsageError(`--to: '${to}' is none of ${formats.join(', ')}`)
  }
  const options = { value: toProfileValue(value ?? 'live-bytes'), showInternal: showInternal ?? false }
  return (profile) => FLAME_GRAPHS[to]!(profile, options)
}

function toProfileValue(word: string): ProfileValue {
  const value = PROFILE_VALUES.find((name) => name === word)
  if (value === undefined) throw new UsageError(`--value: '${word}' is none of ${PROFILE_VALUES.join(', ')}`)
  return value
}

function output(content: string | Buffer, file: string | undefined): void {
  try {
    if (file === undefined) process.stdout.write(content)
    else writeFileSync(file, content)
  } catch (cause) {
    throw new TidemarkError(
      'ERR_TIDEMARK_OUT_WRITE',
      `cannot write ${file ?? 'to stdout'} (${errorCode(cause)}): choose a file that can be written with -o, or free some space`,
      { cause },
    )
  }
}
