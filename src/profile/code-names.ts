/**
 * Listens to the code that V8 makes, so that stacks can name JavaScript: from the start of the process in what
 * tidemark runs, from the start of the first profile otherwise.
 */

import { getHeapStatistics } from 'node:v8'
import { addonProblem, binding } from '../binding.js'

/** Learning of existing code walks the whole heap, about 1 s per GiB: so much of it takes 60 ms. */
const SMALL_HEAP = 64 << 20

const ALREADY = 1
const UNSUPPORTED = 2

let note: string | null = null

/**
 * Begins to listen on this thread, once. `existing` says whether code that is there already is worth a walk through the
 * heap; `small` walks only where that is quick.
 */
export function listenToCode(existing: 'always' | 'small'): void {
  const walk = existing === 'always' || getHeapStatistics().used_heap_size <= SMALL_HEAP
  const result = binding.watchCode(walk)
  if (result === ALREADY) return
  if (result === UNSUPPORTED) {
    note = 'this build of Node does not report its code: JavaScript functions have no names in native stacks'
  } else if (!walk) {
    note =
      'functions compiled before the profile began have no names: start with `node --import tidemark/register`, or pass ' +
      'nameExistingCode: true (it stops the process for about 1 s per GiB of JS heap)'
  }
}

/** In a worker that starts while a profile of its process is being taken: its heap is still small. */
export function listenWhileSampling(): void {
  if (binding.samplingStatus().running) listenToCode('always')
}

/** What is missing in the names of this thread's code; null when nothing is. */
export function codeNamesNote(): string | null {
  return note
}

let stacks = 'not tried yet'

/** `native and JavaScript`, or what is missing and why. */
export function stacksStatus(): string {
  return stacks
}

export const STACKS_WORK = 'native and JavaScript'

/** Takes a stack here, as a sample would, and looks for this function in it: `stacksStatus()` then says what was found. */
export function testStacks(): void {
  const names = tidemarkStackSelfTest()
  if (names.some((name) => name.includes('tidemarkStackSelfTest'))) stacks = STACKS_WORK
  else stacks = addonProblem ?? 'native frames only: stacks cannot be walked through JavaScript in this build of Node'
}

function tidemarkStackSelfTest(): string[] {
  return binding.captureStack()
}
