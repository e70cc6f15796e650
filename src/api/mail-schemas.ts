import { Type } from '@sinclair/typebox'
import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'

/** The fields of a mail: the token of its link, or its code and the address that it was sent to. */
export const fromMail = {
  token: Type.Optional(Type.String({ maxLength: 128, description: 'The one-time token of the link.' })),
  email: Type.Optional(
    Type.String({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'In place of `token`: where the mail went.' }),
  ),
  code: Type.Optional(Type.String({ maxLength: 128, description: 'The code of the mail, in any capitals.' })),
}

export const MailRequest = Type.Object(
  {
    email: Type.String({ minLength: 3, maxLength: IDENTIFIER_MAX_LENGTH, description: 'The address of the account.' }),
  },
  {
    $id: 'MailRequest',
    additionalProperties: false,
    description: 'The address that a mail is wanted at.',
    examples: [{ email: 'mina@example.com' }],
  },
)
