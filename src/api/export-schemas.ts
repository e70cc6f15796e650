import { type TObject, Type } from '@sinclair/typebox'
import { User } from './account-schemas.js'
import { createdAt, nullable, ref, rowId, updatedAt } from './schemas.js'

const time = (description: string) => Type.String({ format: 'date-time', description })
const nullableTime = (description: string) => nullable({ format: 'date-time', description })
const list = (description: string, item: TObject) => Type.Array(item, { description })

const LAST_USE = 'Time of the last use, in UTC.'

const session = Type.Object({
  id: Type.String({ description: 'The id of the session: the `sid` claim of its access tokens.' }),
  kind: Type.String({
    description:
      'The kind of session: `api`, `browser`, or `compat` for a single access token without a refresh token.',
  }),
  client_id: Type.String({
    description: 'The id of the application that the session belongs to; `latchkey` for Latchkey itself.',
  }),
  scope: nullable({ description: 'The scopes of the application, separated by spaces.' }),
  ip: Type.String({ description: 'The IP address that last obtained tokens for the session.' }),
  user_agent: nullable({ description: 'The User-Agent header of the log-in.' }),
  amr: Type.String({ description: 'The authentication methods of the log-in, with the names of RFC 8176.' }),
  created_at: createdAt,
  last_used_at: time('Time of the last use, to the minute, in UTC.'),
  expires_at: time('Expiry, in UTC.'),
  ended_at: nullableTime('Time of the revocation, in UTC; null if the session was not revoked.'),
})

const factor = Type.Object({
  id: Type.String({ description: 'The id of the factor.' }),
  type: Type.String({ description: 'The type of factor: `totp` or `passkey`.' }),
  name: nullable({ description: 'Your name for the factor.' }),
  created_at: createdAt,
  confirmed_at: nullableTime('Time of the confirmation, in UTC; null if the factor is not yet confirmed.'),
  last_used_at: nullableTime(LAST_USE),
})

const apiKey = Type.Object({
  id: Type.String({ description: 'The id of the key.' }),
  name: Type.String({ description: 'A name that tells you what the key is for.' }),
  scope: Type.String({ description: 'The scopes of the key, separated by spaces.' }),
  created_at: createdAt,
  expires_at: time('Expiry, in UTC.'),
  last_used_at: nullableTime(LAST_USE),
  revoked_at: nullableTime('Time of the revocation, in UTC; null if the key was not revoked.'),
})

const app = Type.Object({
  client_id: Type.String({ description: 'The id of the application.' }),
  client_name: nullable({ description: 'The name of the application; null if the application was deleted.' }),
  scope: Type.String({ description: 'The scopes that you consented to, separated by spaces.' }),
  granted_at: time('Time of your latest consent, in UTC.'),
})

const link = Type.Object({
  purpose: Type.String({ description: 'The purpose of the link or code.' }),
  address: nullable({ description: 'The address that the link or code was mailed to; null if it was not mailed.' }),
  created_at: createdAt,
  expires_at: time('Expiry, in UTC.'),
})

const former = Type.Object({
  id: Type.String({ description: 'Your id in the former system.' }),
  name: nullable({ description: 'Your user name in the former system.' }),
})

const event = Type.Object({
  type: Type.String({ description: 'The type of event, as in the audit log.' }),
  by: Type.String({
    description:
      'The actor: `you`, `other` for an admin or a client, or `unknown` if the request was not ' + 'authenticated.',
  }),
  session_id: nullable({ description: 'The id of the session; null if an admin or a client caused the event.' }),
  ip: nullable({ description: 'The IP address of the request; null if an admin or a client caused the event.' }),
  reason: nullable({ description: 'Details of the event, such as the reason.' }),
  created_at: time('Time of the event, in UTC.'),
})

const todo = Type.Object({
  id: rowId,
  title: Type.String({ description: 'The task.' }),
  description: nullable({ description: 'Details of the task.' }),
  done: Type.Boolean({ description: 'Whether the task is done.' }),
  due_at: nullableTime('The due time.'),
  created_at: createdAt,
  updated_at: updatedAt,
})

const tutorial = Type.Object({
  id: rowId,
  name: Type.String({ description: 'The name of the tutorial.' }),
  description: Type.String({ description: 'The description of the tutorial.' }),
  created_at: createdAt,
  updated_at: updatedAt,
})

const NINE = '2026-11-20T09:00:00.000Z'

/** The data stored about an account, for its owner: no hashes, secrets, tokens or codes, and no data of others. */
export const AccountExport = Type.Object(
  {
    exported_at: time('Time of the export, in UTC.'),
    profile: ref(User),
    email_verified_at: nullableTime('Time at which your e-mail address was last confirmed, in UTC.'),
    sessions: list('Your sessions, including ended sessions, newest first, at most 1,000.', session),
    factors: list('Your second factors, oldest first.', factor),
    recovery_codes_left: Type.Integer({ description: 'The number of unused recovery codes.' }),
    api_keys: list('Your API keys, newest first.', apiKey),
    apps: list('The applications that you allowed to use your account.', app),
    links: list('Unused links and codes that were created for you, without their values.', link),
    former_accounts: list('Your account in each system that it was imported from.', former),
    events: list('The audit events of your account, newest first, at most 10,000.', event),
    todos: list('All your todos, oldest first.', todo),
    tutorials: list('All your tutorials, oldest first.', tutorial),
  },
  {
    $id: 'AccountExport',
    description: 'All data stored about an account.',
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
            id: 1,
            title: 'Water the plants',
            description: null,
            done: false,
            due_at: null,
            created_at: NINE,
            updated_at: NINE,
          },
        ],
        tutorials: [],
      },
    ],
  },
)
