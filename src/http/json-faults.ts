// What is wrong with a JSON text, found only after JSON.parse has refused it. The engine's own message quotes the text,
// which may hold a password, and names a position for some mistakes alone.

/** A string of JSON has no character below the blank. Each escape starts a repetition, so that matching stays linear. */
const TOKEN =
  /[ \t\r\n]*([{}[\],:]|"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy
const BLANKS = /[ \t\r\n]*/y

/** The tokens that are allowed at a place of the text. */
type Place = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end'

/** Where a text stops being JSON, as a sentence that repeats nothing of the text; undefined for valid JSON. */
export function jsonFault(text: string): string | undefined {
  const position = faultPosition(text)
  if (position === undefined) return undefined
  if (position === text.length) return 'The JSON ends before it is complete.'
  const before = text.slice(0, position).split('\n')
  return `The JSON is not valid at position ${position} (line ${before.length}, column ${(before.at(-1) ?? '').length + 1}).`
}

/** The index of the first character that cannot stand where it stands; the length of a text that is cut off. */
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

/** What may follow a token at this place; undefined where the token may not stand. Opens and closes brackets on the way. */
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
