// Locates a JSON syntax error, after JSON.parse has failed. The message of the engine is not used: it quotes the text,
// which may contain a password, and does not always name a position.

/**
 * A JSON string contains no character below U+0020. Each escape begins a repetition of the pattern, so that matching
 * stays linear.
 */
const TOKEN =
  /[ \t\r\n]*([{}[\],:]|"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy
const BLANKS = /[ \t\r\n]*/y

/** The tokens that are allowed at a position. */
type Place = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end'

/** The position of the syntax error, as a sentence that does not quote the text. Undefined for valid JSON. */
export function jsonFault(text: string): string | undefined {
  const position = faultPosition(text)
  if (position === undefined) return undefined
  if (position === text.length) return 'The JSON ends before it is complete.'
  const before = text.slice(0, position).split('\n')
  return `The JSON is not valid at position ${position} (line ${before.length}, column ${(before.at(-1) ?? '').length + 1}).`
}

/** The index of the first invalid character; the length of the text if it is truncated. */
function faultPosition(text: string): number | undefined {
  const closers: ('}' | ']')[] = []
  let place: Place = 'value'
  let at = 0
  for (;;) {
    const start = skip(BLANKS, text, at)
    if (start === text.length) return place === 'end' ? undefined : start
    TOKEN.lastIndex = at
    const token = TOKEN.exec(text)?.[1]
    const next: Place | undefined = token === undefined ? undefined : follow(place, token, closers)
    if (next === undefined) return start
    place = next
    at = TOKEN.lastIndex
  }
}

/**
 * The tokens allowed after this token; undefined if the token is not allowed here. Pushes and pops brackets in
 * `closers`.
 */
function follow(place: Place, token: string, closers: ('}' | ']')[]): Place | undefined {
  const afterValue = (): Place => (closers.length === 0 ? 'end' : 'comma')
  if (place === 'colon') return token === ':' ? 'value' : undefined
  if (token === closers.at(-1) && (place === 'comma' || place === 'value or ]' || place === 'key or }')) {
    closers.pop()
    return afterValue()
  }
  if (place === 'comma') return token !== ',' ? undefined : closers.at(-1) === '}' ? 'key' : 'value'
  if (place === 'key' || place === 'key or }') return token.startsWith('"') ? 'colon' : undefined
  if (place === 'end' || /^[\]},:]/.test(token)) return undefined
  if (token === '{' || token === '[') {
    closers.push(token === '{' ? '}' : ']')
    return token === '{' ? 'key or }' : 'value or ]'
  }
  return afterValue()
}

function skip(blanks: RegExp, text: string, from: number): number {
  blanks.lastIndex = from
  blanks.exec(text)
  return blanks.lastIndex
}
