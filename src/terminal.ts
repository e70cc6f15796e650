// Names, addresses and error messages may hold text of attackers. Terminals obey escape sequences, bidirectional
// controls reorder text, and line breaks fake lines, so all output is escaped.

/**
 * Controls (C0, C1), format characters, lone surrogates, unassigned code points, separators and invisible characters.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
/** The same except the line feed, which JSON.stringify escapes inside strings and writes between values. */
const UNPRINTABLE_IN_JSON = /(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** One line that is safe to print: `\u001b` for an escape, `\u000a` for a line feed. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
  })
}

/** JSON that is safe to print, and that parses to the same values as the output of JSON.stringify. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNPRINTABLE_IN_JSON, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** Prints lines for people on standard output. */
export function print(...lines: string[]): void {
  process.stdout.write(asLines(lines))
}

/** Prints lines for people on standard error. */
export function printError(...lines: string[]): void {
  process.stderr.write(asLines(lines))
}

/** Prints JSON for programs on standard output. */
export function printJson(value: unknown, indent?: number): void {
  process.stdout.write(`${printableJson(value, indent)}\n`)
}

function asLines(lines: string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('')
}
