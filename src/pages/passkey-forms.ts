import type { Static, TSchema } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.js'
import { type Html, html } from './html.js'

/** More than the response of any device. The body limit applies too. */
export const PASSKEY_MAX_LENGTH = 65_536

interface Question {
  /** The function of `navigator.credentials` that takes the options. */
  deed: 'get' | 'create'
  options: object
  label: string
  kind?: '' | 'quiet'
  /** The messages if the device gives no passkey, and if it has one already. */
  refused: string
  known?: string
  /** Whether the browser also offers passkeys in the user name field. */
  isOffered?: boolean
}

/** A button that asks the device for a passkey, and submits its form with the response in the field `passkey`. */
export function passkeyButton({ deed, options, label, kind = 'quiet', refused, known, isOffered }: Question): Html {
  return html`<button${kind !== '' && html` class="${kind}"`} formnovalidate data-passkey="${deed}" data-options="${JSON.stringify(options)}"
data-refused="${refused}"${known !== undefined && html` data-known="${known}"`}${isOffered && ' data-offered'}>${label}</button>
<span class="hint" role="status"></span>`
}

/** Content that needs passkeys: hidden until the script finds that the browser supports them. */
export function withPasskeys(content: Html): Html {
  return html`<div class="passkeys" data-passkeys hidden>${content}</div>`
}

/** Content for browsers without passkeys: the script hides it. */
export function withoutPasskeys(text: string): Html {
  return html`<p class="note bad" data-passkeys>${text}</p>`
}

/** The response that the script put into the form, validated by `schema`. @throws Problem passkey_rejected */
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
