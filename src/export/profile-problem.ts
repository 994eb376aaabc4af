/** What a reader of profiles says of a file that is none, and what it takes for too much. */

/** Why a file cannot be read, as the end of a sentence. Whoever opened the file knows its name and what to do. */
export class ProfileProblem extends Error {}

/** Each takes some hundred bytes here, and a small file can claim to have any number of them. Ours have 20,000 stacks. */
const MOST_ENTRIES = 1_000_000
export const MOST_STACK_FRAMES = 20_000_000
export const MOST_THREADS = 2 ** 16

/** @throws {ProfileProblem} if there are more than `most` */
export function checkCount(count: number, what: string, most = MOST_ENTRIES): void {
  if (count > most) throw new ProfileProblem(`it holds more than ${most.toLocaleString('en')} ${what}`)
}
