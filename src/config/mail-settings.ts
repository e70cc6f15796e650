import { Type } from '@sinclair/typebox'
import { assertMailLinks, assertWebhookSecret, parseMailbox, parseMailUrl } from './mail-url.js'
import { checked, list, wholeNumber } from './setting-types.js'

/** Settings for sending mail and its limits. */
export const MAIL_SETTINGS = {
  MAIL_URL: checked(parseMailUrl, {
    default: '',
    description:
      'How mail is sent: `smtp://user:password@host:587` (STARTTLS is required, except to this machine), ' +
      '`smtps://user:password@host:465`, `https://host/path` (a signed POST for each mail), `file:./data/mail` ' +
      '(files, deleted after a day) or `off`. By default off.',
  }),
  MAIL_FROM: checked((value) => value === '' || parseMailbox(value), {
    default: '',
    description: 'The sender: `Example <no-reply@example.com>`. Required where MAIL_URL sends mail.',
  }),
  MAIL_WEBHOOK_SECRET: list(assertWebhookSecret, {
    default: '',
    description:
      'The secret that signs the POSTs of an https MAIL_URL (Standard Webhooks): `whsec_` and the base64 of 24 to 64 ' +
      'bytes. A list `new,old` signs with each of them.',
  }),
  MAIL_LINKS: checked(assertMailLinks, {
    default: '',
    description:
      'The address of your own pages, for the links in mails: for example ' +
      '`https://app.example.com/{page}?token={token}`, where `page` is `reset`, `verify` or `invitation`. By ' +
      'default, links lead to the pages of PAGES; without pages, mails contain only a code.',
  }),
  MAIL_TEMPLATES: Type.String({
    default: '',
    description: 'A folder with your own mail texts; see docs/mail.md.',
  }),
  MAIL_ADDRESS_LIMIT: wholeNumber(1, 1_000, {
    default: '3',
    description:
      'The number of mails per hour to one address. Further mails are dropped; the response of the API does not ' +
      'change.',
  }),
  MAIL_NETWORK_LIMIT: wholeNumber(1, 1_000_000, {
    default: '20',
    description:
      'The number of mails per hour that one network can cause. Further mails are dropped; the response of the API ' +
      'does not change.',
  }),
}
