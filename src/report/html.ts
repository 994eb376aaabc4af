/** HTML that cannot be broken into: every value put into an `html` template is escaped unless it is Html itself. */

export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  toString(): string {
    return this.text
  }
}

type Value = string | number | Html | Html[] | null | undefined

export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(parts.map((part, i) => part + render(values[i])).join(''))
}

function render(value: Value): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.join('')
  return value instanceof Html ? value.text : escapeHtml(String(value))
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** JSON inside a <script>: without a `<` in it no `</script>` or `<!--` in a name can end it. */
export function jsonScript(id: string, value: unknown): Html {
  const text = JSON.stringify(value).replace(/</g, '\\u003c')
  return new Html(`<script type="application/json" id="${escapeHtml(id)}">${text}</script>`)
}
