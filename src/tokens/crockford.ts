/** Crockford's base32, for codes that people type: no letter looks like a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Encodes the low five bits of each byte as a character. */
export function crockfordOf(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('')
}

/** Normalises typed input: upper case, half width, and the letters O, I and L as the digits they are mistaken for. */
export function readCrockford(typed: string): string {
  return typed.normalize('NFKC').toUpperCase().replaceAll('O', '0').replace(/[IL]/g, '1')
}
