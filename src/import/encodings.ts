import { CommandError } from '../command-error.js'
import { UsageError } from '../usage-error.js'

/** A character encoding whose decoder is strict: it throws on invalid bytes. */
export interface Encoding {
  name: string
  /** @throws TypeError if the bytes are invalid in this encoding */
  decode(bytes: Uint8Array): string
  /** Decodes bytes in chunks; a call without an argument ends the text. @throws TypeError likewise */
  decoder(): (bytes?: Uint8Array) => string
}

/** Encodings that TextDecoder decodes strictly. A byte order mark is not part of the text. */
const UNICODE: Record<string, string> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-16': 'utf-16le',
  utf16: 'utf-16le',
  'utf-16le': 'utf-16le',
  utf16le: 'utf-16le',
  'utf-16be': 'utf-16be',
  utf16be: 'utf-16be',
}
/** Names that iconv-lite does not know. Like browsers, treats Latin-1 as its superset Windows-1252. */
const ALIASES: Record<string, string> = { uhc: 'cp949', latin1: 'windows-1252', 'iso-8859-1': 'windows-1252' }
/** Names in iconv-lite that encode bytes as text, and are not character encodings. */
const NOT_OF_TEXT = /^(base64|hex|binary)$/
/** iconv-lite replaces invalid bytes by this character, which none of its encodings can represent. */
const REPLACEMENT = '\uFFFD'
const MARKS: [bytes: number[], name: string][] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

export const UTF_8 = unicode('utf-8')

/** The encoding with a name such as cp949, euc-kr, shift_jis, windows-1252 or utf-16. @throws UsageError */
export async function encodingOf(label: string): Promise<Encoding> {
  const name = label.trim().toLowerCase()
  const known = UNICODE[name]
  if (known !== undefined) return unicode(known)
  const { default: iconv } = await import('iconv-lite')
  const found = ALIASES[name] ?? name
  if (NOT_OF_TEXT.test(found) || !iconv.encodingExists(found)) {
    throw new UsageError(`--encoding ${label}: no such encoding; try utf-8, utf-16, cp949, shift_jis or windows-1252`)
  }
  const decoder = () => {
    const stream = iconv.getDecoder(found)
    return (bytes?: Uint8Array) => strict((bytes ? stream.write(Buffer.from(bytes)) : stream.end()) ?? '', name)
  }
  return { name, decoder, decode: (bytes) => strict(iconv.decode(Buffer.from(bytes), found), name) }
}

/** The encoding of the byte order mark at the start of a file. */
export function encodingByMark(bytes: Uint8Array): Encoding | undefined {
  const found = MARKS.find(([mark]) => mark.every((byte, index) => bytes[index] === byte))
  return found && unicode(found[1])
}

/** A Unicode encoding by its exact name, such as utf-16le. */
export function unicode(name: string): Encoding {
  return {
    name: name.toUpperCase(),
    decode: (bytes) => new TextDecoder(name, { fatal: true, ignoreBOM: true }).decode(bytes),
    decoder: () => {
      const stream = new TextDecoder(name, { fatal: true })
      return (bytes) => stream.decode(bytes, { stream: bytes !== undefined })
    },
  }
}

/** The error for bytes that are invalid in this encoding. */
export function notInEncoding(where: string, { name }: Encoding): CommandError {
  return new CommandError(
    `${where} is not ${name}: name the encoding, for example --encoding cp949, --encoding shift_jis or --encoding windows-1252`,
  )
}

function strict(text: string, name: string): string {
  if (text.includes(REPLACEMENT)) throw new TypeError(`not ${name}`)
  return text
}
