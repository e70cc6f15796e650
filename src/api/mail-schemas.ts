import { Type } from '@sinclair/typebox'
import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'

/** The fields of a mail: the token of its link, or its code and the address that it was sent to. */
export const fromMail = {
  token: Type.Optional(Type.String({ maxLength: 128, description: 'The one-time token from the link.' })),
  email: Type.Optional(
    Type.String({
      maxLength: IDENTIFIER_MAX_LENGTH,
      description: 'The address that the mail was sent to, with `code` instead of `token`.',
    }),
  ),
  code: Type.Optional(Type.String({ maxLength: 128, description: 'The code from the mail, in upper or lower case.' })),
}

export const MailRequest = Type.Object(
  {
    email: Type.String({
      minLength: 3,
      maxLength: IDENTIFIER_MAX_LENGTH,
      description: 'The e-mail address of the account.',
    }),
  },
  {
    $id: 'MailRequest',
    additionalProperties: false,
    description: 'The address to send a mail to.',
    examples: [{ email: 'mina@example.com' }],
  },
)
