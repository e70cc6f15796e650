import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.js'
import { type Html, html } from './html.js'

/** More than any device answers. The limit of bodies holds as well. */
export const PASSKEY_MAX_LENGTH = 65_536

interface Question {
  /** Which function of `navigator.credentials` takes the options. */
  deed: 'get' | 'create'
  options: object
  label: string
  kind?: '' | 'quiet'
  /** What is said when the device gives no passkey, and when it has one already. */
  refused: string
  known?: string
  /** Whether the browser offers passkeys in the field of the name, too. */
  isOffered?: boolean
}

/** A button that asks the device for a passkey, and sends its form with the answer in the field `passkey`. */
export function passkeyButton({ deed, options, label, kind = 'quiet', refused, known, isOffered }: Question): Html {
  return html`<button${kind !== '' && html` class="${kind}"`} formnovalidate data-passkey="${deed}" data-options="${JSON.stringify(options)}"
data-refused="${refused}"${known !== undefined && html` data-known="${known}"`}${isOffered && ' data-offered'}>${label}</button>
<span class="hint" role="status"></span>`
}

/** What is of use with passkeys alone: hidden until the script knows that the browser has them. */
export function withPasskeys(content: Html): Html {
  return html`<div class="passkeys" data-passkeys hidden>${content}</div>`
}

/** What stands there for as long as the browser cannot show passkeys. */
export function withoutPasskeys(text: string): Html {
  return html`<p class="note bad" data-passkeys>${text}</p>`
}

/** What the script put into the form, if it is as `schema` says. @throws Problem passkey_rejected */
export function passkeyIn<Schema extends TSchema>(
  text: string,
  schema: Schema,
  request: FastifyRequest,
): Static<Schema> {
  const value = parse(text)
  const isPasskey = request.validateInput(value, schema)
  if (!isPasskey) throw new Problem('passkey_rejected', { cause: new Error('the form holds no passkey') })
  return value as Static<Schema>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
