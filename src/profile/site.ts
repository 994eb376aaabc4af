/**
 * Decides which frame of a stack is named as the one that allocated: the first, from the leaf, of the user's own code or of
 * an addon. `malloc`, the C and C++ libraries, Node and tidemark pass memory on, nobody can fix a leak there; a package under
 * node_modules can be the culprit and is named. Pure.
 */

import { basename, dirname } from 'node:path'
import type { StackFrame } from '../growth/verdict.js'
import type { Frame, ProfileColumns, ProfileMapping } from './columns.js'

/** The C and C++ run-time libraries, allocators, and what distributions take out of Node's binary into libraries. */
const SYSTEM_LIBRARY =
  /^(?:ld-|ld\.so|libc[.-]|libc\+\+|libstdc\+\+|libgcc_s|libpthread|libm[.-]|libdl[.-]|librt[.-]|libjemalloc|libtcmalloc|libmimalloc|\[vdso\]|linux-vdso|libnode\.|libv8|libuv\.|libssl\.|libcrypto\.|libz\.|libbrotli|libicu|libnghttp|libcares)/

/** tidemark's own addon, under prebuilds/ or where developers build it. */
const OWN_ADDON = /^tidemark(?:\.[\w-]+)*\.node$/

/** What the compiler put of the libraries into the addon itself: containers, allocators, their Rust namesakes. */
const CPP_LIBRARY = /(?:^|\s)(?:std|__gnu_cxx|__cxxabiv1)::|^operator (?:new|delete)\b/
const RUST_LIBRARY = /^<*(?:alloc|core|std|hashbrown)::|^_*r(?:ust|dl|g)_(?:re)?alloc/
const ALLOCATOR =
  /^(?:__libc_|__interceptor_)?(?:malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc|pvalloc|strdup|strndup)$/

/** What libraries put around those: `sqlite3DbMallocRaw`, `g_realloc_n`, `xmalloc`, `vips_tracked_aligned_alloc`. */
const ALLOCATOR_WRAPPER = /(?:(?:^x?|[^a-z])(?:malloc|calloc|realloc|aligned_alloc)|Malloc|Calloc|Realloc)(?![a-z])/

/** As they run and, behind source maps, as they were written. */
const OWN_SCRIPTS = ['dist', 'src'].map((folder) => `${dirname(dirname(__dirname))}/${folder}/`)
const INSTALLED_SCRIPTS = '/node_modules/tidemark/'

/** The frame that is named, or undefined of an empty stack. `frames` runs leaf first. */
export function siteFrame(frames: readonly Frame[], mappings: readonly ProfileMapping[]): Frame | undefined {
  return (
    frames.find((frame) => isOwnCode(frame, mappings)) ??
    frames.find(({ kind, file }) => kind === 'js' && file !== '') ??
    frames.find(({ kind }) => kind === 'js') ??
    frames[0]
  )
}

const OWN = 1
const OTHER = 2

/** `siteFrame` of the traces of a profile: each frame is looked at once, however many traces go through it. */
export function siteFinder(columns: ProfileColumns): (trace: number) => Frame | undefined {
  const { frames, mappings, stackFrames, starts } = columns
  const seen = new Uint8Array(frames.length)
  return (trace) => {
    const end = starts[trace + 1]!
    for (let i = starts[trace]!; i < end; i++) {
      const index = stackFrames[i]!
      seen[index] ||= isOwnCode(frames[index]!, mappings) ? OWN : OTHER
      if (seen[index] === OWN) return frames[index]
    }
    return siteFrame(framesOf(columns, trace), mappings)
  }
}

/** The stack of a trace, leaf first. */
export function framesOf({ frames, stackFrames, starts }: ProfileColumns, trace: number): Frame[] {
  return Array.from(stackFrames.subarray(starts[trace], starts[trace + 1]), (index) => frames[index]!)
}

/** Code of the user, of a package or of an addon. */
export function isOwnCode(frame: Frame, mappings: readonly ProfileMapping[]): boolean {
  if (frame.kind === 'js') {
    const { file } = frame
    return file !== '' && !file.startsWith('node:') && !isOwnScript(frame)
  }
  const mapping = mappings[frame.mapping]
  if (mapping === undefined || isExecutable(frame, mappings)) return false
  const name = basename(mapping.path)
  return !SYSTEM_LIBRARY.test(name) && !OWN_ADDON.test(name) && !isLibraryCode(frame.function)
}

/** A script of tidemark itself. */
export function isOwnScript({ file }: Frame): boolean {
  return file.includes(INSTALLED_SCRIPTS) || OWN_SCRIPTS.some((folder) => file.startsWith(folder))
}

/** Node's binary, with V8 and the libraries that are linked into it. */
export function isExecutable(frame: Frame, mappings: readonly ProfileMapping[]): boolean {
  return frame.kind === 'native' && frame.mapping >= 0 && mappings[frame.mapping]?.path === mappings[0]?.path
}

function isLibraryCode(name: string): boolean {
  if (ALLOCATOR.test(name) || RUST_LIBRARY.test(name)) return true
  const called = withoutTemplateArguments(name)
  return CPP_LIBRARY.test(called) || ALLOCATOR_WRAPPER.test(called)
}

/** `void std::vector<app::Image>::push_back` is std's, `app::Cache<int, std::less>::add` is not: only the name outside <> tells. */
function withoutTemplateArguments(name: string): string {
  let depth = 0
  let kept = ''
  for (const c of name) {
    if (c === '<') depth++
    else if (c === '>') depth = Math.max(0, depth - 1)
    else if (depth === 0) kept += c
  }
  return kept
}

/** As verdicts and rows show it. The file of a native frame whose source is not known is the one its code is in. */
export function stackFrame(frame: Frame, mappings: readonly ProfileMapping[]): StackFrame {
  const { function: name, file, kind } = frame
  const { line, column } = frame.call ?? frame
  return { function: name, file: file || (mappings[frame.mapping]?.path ?? ''), line, column, kind }
}
