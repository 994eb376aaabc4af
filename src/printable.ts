/** How text from outside is shown on a terminal. Pure. */

/**
 * Text from outside (names of mappings, scripts, regions, functions) on one line: control characters, which could move the
 * cursor or recolour the terminal, are written as escapes.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
