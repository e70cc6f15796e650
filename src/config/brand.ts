import { readFileSync, statSync } from 'node:fs'
import { contrast } from './colors.js'

/** The minimum contrast of text (WCAG 2.2, success criterion 1.4.3). */
export const READABLE = 4.5
/** The background of links in the brand's colour. White text on that colour has even more contrast. */
const PALEST_GROUND = '#f4f5f7'
const COLOR = /^#[0-9a-f]{6}$/i
const LOGO_MAX_BYTES = 64 * 1024

interface Logo {
  type: string
  bytes: Buffer
}

/** @throws Error that explains what is wrong with BRAND_COLOR */
export function assertBrandColor(value: string): void {
  if (value === '') return
  if (!COLOR.test(value)) throw new Error('must be a colour such as #1a56c4')
  const ratio = contrast(value, PALEST_GROUND)
  if (ratio < READABLE) {
    const found = (Math.floor(ratio * 10) / 10).toFixed(1)
    throw new Error(
      `is too pale for white text: its contrast is ${found}, but ${READABLE} is required. Choose a darker colour`,
    )
  }
}

/** The image of BRAND_LOGO; undefined if unset. @throws Error that explains what is wrong with the file */
export function readLogo(path: string): Logo | undefined {
  if (path === '') return undefined
  const bytes = read(path)
  if (bytes.length > LOGO_MAX_BYTES) throw new Error(`must be a file of at most ${LOGO_MAX_BYTES / 1024} KiB`)
  if (bytes.subarray(0, 4).toString('latin1') === '\x89PNG') return { type: 'image/png', bytes }
  if (/^(\uFEFF)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg[\s>]/s.test(bytes.toString()))
    return { type: 'image/svg+xml', bytes }
  throw new Error('must be an SVG or PNG file')
}

function read(path: string): Buffer {
  try {
    // Reading a device or a pipe might never return.
    if (!statSync(path).isFile()) throw new Error('it is not a file')
    return readFileSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`cannot be read: ${code ?? message}`)
  }
}
