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
