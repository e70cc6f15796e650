import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { withNameKey } from '../accounts/names.js'
import { FACTOR_NAME_MAX_LENGTH } from '../text-lengths.js'
import { nullable } from './schemas.js'

/** The name of a factor. */
export const factorName = nullable({
  maxLength: FACTOR_NAME_MAX_LENGTH,
  description: 'Your name for the factor, as shown in lists.',
})

export const RECOVERY_CODES_ARE =
  'Recovery codes in case the device is lost. Each code works once. The codes are shown only in this response.'

export const TotpSecret = Type.Object(
  {
    id: Type.String({ description: 'The id of the factor.' }),
    secret: Type.String({ description: 'The secret in base32, to type into an app. The secret is shown only once.' }),
    uri: Type.String({ description: 'The `otpauth:` URI of the secret, for an app on the same device.' }),
    qr: Type.String({ description: 'The URI as a QR code: an SVG image to embed in a page as it is.' }),
  },
  {
    $id: 'TotpSecret',
    description: 'A TOTP factor that is not yet confirmed.',
    examples: [
      {
        id: '0b6f1d0e-6f3c-4c1a-9d55-5d1f3a2b7c10',
        secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
        uri: 'otpauth://totp/Example:mina?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example&algorithm=SHA1&digits=6&period=30',
        qr: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 53 53"></svg>',
      },
    ],
  },
)

/** The name in a body; null for none. @throws Problem name_rejected */
export function nameIn({ name }: { name?: string | null }): string | null {
  return withNameKey(name).name || null
}

/** Allows a request without a body if no field is required. */
export function withoutBody(request: FastifyRequest, _reply: unknown, done: () => void): void {
  request.body ??= {}
  done()
}
