/** Rows of text in aligned columns. Pure. */

export interface Column {
  title: string
  align: 'left' | 'right'
}

/** One line a row under its titles; the last column is not padded. */
export function table(columns: readonly Column[], rows: string[][]): string {
  const lines = [columns.map((column) => column.title), ...rows]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) =>
      columns
        .map(({ align }, i) => {
          const cell = line[i] ?? ''
          if (align === 'right') return cell.padStart(widths[i]!)
          return i === columns.length - 1 ? cell : cell.padEnd(widths[i]!)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/**
 * Text from outside (names of mappings, scripts, regions) on one line: control characters, which could move the
 * cursor or recolour the terminal, are written as escapes.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
