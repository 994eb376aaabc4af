/** Colours, where a person looks and has not said no to them. */

import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

/** Gives text a colour, or leaves it alone. */
export type Style = (format: Format, text: string) => string

export const plain: Style = (_format, text) => text

/** https://no-color.org: any value that is not empty means no. */
export function styleFor(stream: { isTTY?: boolean }): Style {
  if (!stream.isTTY || process.env.NO_COLOR) return plain
  // Without this newer Nodes look at stdout, which may be a file while stderr is the terminal.
  return (format, text) => styleText(format, text, { validateStream: false })
}
