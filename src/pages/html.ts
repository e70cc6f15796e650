import { escapeHtml } from '../mail/words.js'

/** HTML that is safe to send: all inserted values are escaped. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = string | number | Html | readonly Html[] | undefined | false

/** Builds HTML. Escapes every value, except Html. False and undefined insert nothing. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(String.raw({ raw: strings }, ...values.map(write)))
}

function write(value: Value): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Html) return value.text
  return typeof value === 'object' ? value.map(write).join('') : escapeHtml(String(value))
}
