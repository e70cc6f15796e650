import { type TObject, Type } from '@sinclair/typebox'
import { User } from './account-schemas.js'
import { createdAt, nullable, ref, rowId, updatedAt } from './schemas.js'

const time = (description: string) => Type.String({ format: 'date-time', description })
const perhaps = (description: string) => nullable({ format: 'date-time', description })
const list = (description: string, item: TObject) => Type.Array(item, { description })

const LAST_USE = 'When it was last used, in UTC.'
const SCOPE = 'Words with a space between them.'

const session = Type.Object({
  id: Type.String({ description: 'Its id; the `sid` claim of its access tokens.' }),
  kind: Type.String({ description: '`api`, `browser`, or `compat` for one access token without a refresh token.' }),
  client_id: Type.String({ description: 'The application that it is of; `latchkey` for Latchkey itself.' }),
  scope: nullable({ description: `What the application may do. ${SCOPE}` }),
  ip: Type.String({ description: 'The address that last obtained tokens for it.' }),
  user_agent: nullable({ description: 'The User-Agent header of the log-in.' }),
  amr: Type.String({ description: 'How you proved who you are, in words of RFC 8176.' }),
  created_at: createdAt,
  last_used_at: time('When it was last used, to the minute, in UTC.'),
  expires_at: time('When it ends, in UTC.'),
  ended_at: perhaps('When it was ended before that, in UTC.'),
})

const factor = Type.Object({
  id: Type.String({ description: 'Its id.' }),
  type: Type.String({ description: '`totp` or `passkey`.' }),
  name: nullable({ description: 'What you call it.' }),
  created_at: createdAt,
  confirmed_at: perhaps('When it was first shown, in UTC; null for one that was begun and not confirmed.'),
  last_used_at: perhaps(LAST_USE),
})

const apiKey = Type.Object({
  id: Type.String({ description: 'Its id.' }),
  name: Type.String({ description: 'What it is for.' }),
  scope: Type.String({ description: `What it may be used for. ${SCOPE}` }),
  created_at: createdAt,
  expires_at: time('When it expires, in UTC.'),
  last_used_at: perhaps(LAST_USE),
  revoked_at: perhaps('When it was ended, in UTC.'),
})

const app = Type.Object({
  client_id: Type.String({ description: 'The id of the application.' }),
  client_name: nullable({ description: 'Its name; null when it is gone.' }),
  scope: Type.String({ description: `What you let it do. ${SCOPE}` }),
  granted_at: time('When you agreed last, in UTC.'),
})

const link = Type.Object({
  purpose: Type.String({ description: 'What the link or code is good for.' }),
  address: nullable({ description: 'Where it was sent; null when it was handed over.' }),
  created_at: createdAt,
  expires_at: time('When it expires, in UTC.'),
})

const former = Type.Object({
  id: Type.String({ description: 'The id that you had there.' }),
  name: nullable({ description: 'The user name that you had there.' }),
})

const event = Type.Object({
  type: Type.String({ description: 'What happened, as in the audit log.' }),
  by: Type.String({
    description: '`you`; `other` for an admin or another client; `unknown` where nobody proved who they are.',
  }),
  session_id: nullable({ description: 'In which session; null where somebody else did it.' }),
  ip: nullable({ description: 'From where; null where somebody else did it.' }),
  reason: nullable({ description: 'Why, or what exactly.' }),
  created_at: time('When it happened, in UTC.'),
})

const todo = Type.Object({
  id: rowId,
  title: Type.String({ description: 'What is to be done.' }),
  description: nullable({ description: 'More about it.' }),
  done: Type.Boolean({ description: 'Whether it is done.' }),
  due_at: perhaps('When it should be done.'),
  created_at: createdAt,
  updated_at: updatedAt,
})

const tutorial = Type.Object({
  id: rowId,
  name: Type.String({ description: 'What it is called.' }),
  description: Type.String({ description: 'What it is about.' }),
  created_at: createdAt,
  updated_at: updatedAt,
})

const NINE = '2026-11-20T09:00:00.000Z'

/** The data stored about an account, for its owner: no hashes, secrets, tokens or codes, and no data of others. */
export const AccountExport = Type.Object(
  {
    exported_at: time('When it was read, in UTC.'),
    profile: ref(User),
    email_verified_at: perhaps('When your address was last confirmed, in UTC.'),
    sessions: list('Where you are and were logged in, the newest first, at most 1,000.', session),
    factors: list('Your second factors, the oldest first.', factor),
    recovery_codes_left: Type.Integer({ description: 'How many recovery codes have not been used.' }),
    api_keys: list('Your API keys, the newest first.', apiKey),
    apps: list('The applications that you let use your account.', app),
    links: list('Links and codes that were made for you and are not used, without their texts.', link),
    former_accounts: list('Your account in the systems from which it was imported.', former),
    events: list('What happened to your account, the newest first, at most 10,000.', event),
    todos: list('All your todos, the oldest first.', todo),
    tutorials: list('All your tutorials, the oldest first.', tutorial),
  },
  {
    $id: 'AccountExport',
    description: 'All that is stored about an account.',
    examples: [
      {
        exported_at: NINE,
        profile: User.examples[0],
        email_verified_at: NINE,
        sessions: [],
        factors: [],
        recovery_codes_left: 0,
        api_keys: [],
        apps: [],
        links: [],
        former_accounts: [],
        events: [],
        todos: [
          {
            ...{ id: 1, title: 'Water the plants', description: null, done: false, due_at: null },
            ...{ created_at: NINE, updated_at: NINE },
          },
        ],
        tutorials: [],
      },
    ],
  },
)
