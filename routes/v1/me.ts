import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { emailKey, usernameKey, withNameKey } from '../../src/accounts/names.js'
import { changedFrom } from '../../src/accounts/profiles.js'
import { NO_PENDING_EMAIL } from '../../src/accounts/user-rows.js'
import { locale, toUser, User } from '../../src/api/account-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, nullable, ref } from '../../src/api/schemas.js'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import { Problem } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, NAME_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'
import type { UserCaller } from '../../src/tokens/access-tokens.js'

/** Operations that need the current password also need a second factor, if the account has one. */
const RECENT_FACTOR = 'An account with a second factor also needs a log-in within the last five minutes.'

const current_password = Type.String({
  minLength: 1,
  maxLength: PASSWORD_MAX_LENGTH,
  description: 'The current password.',
})

const MeUpdate = Type.Object(
  {
    username: Type.Optional(
      nullable({
        minLength: 1,
        maxLength: NAME_MAX_LENGTH,
        description: 'User name. A change requires `current_password`.',
      }),
    ),
    email: Type.Optional(
      nullable({
        minLength: 3,
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'E-mail address. A change requires `current_password`.',
      }),
    ),
    pending_email: Type.Optional(
      Type.Null({
        description: 'Null discards the unconfirmed e-mail address and invalidates its confirmation mail.',
      }),
    ),
    name: Type.Optional(nullable({ minLength: 1, maxLength: NAME_MAX_LENGTH, description: 'Display name.' })),
    locale: Type.Optional(locale),
    current_password: Type.Optional(current_password),
  },
  {
    $id: 'MeUpdate',
    additionalProperties: false,
    minProperties: 1,
    description: 'The fields to change. Null removes a value. A user name or an e-mail address must remain.',
    examples: [{ name: 'Mina Kim' }],
  },
)

const PasswordChange = Type.Object(
  {
    current_password,
    new_password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH, description: 'The new password.' }),
  },
  {
    $id: 'PasswordChange',
    additionalProperties: false,
    description: `The current password and the new one. ${RECENT_FACTOR}`,
    examples: [{ current_password: 'three quiet lanterns', new_password: 'four louder lanterns' }],
  },
)

const CurrentPassword = Type.Object(
  { current_password },
  {
    $id: 'CurrentPassword',
    additionalProperties: false,
    description: `The current password, to confirm the deletion. ${RECENT_FACTOR}`,
    examples: [{ current_password: 'three quiet lanterns' }],
  },
)

const wrongPassword = problemAnswer(403, 'wrong_password')

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [MeUpdate, PasswordChange, CurrentPassword]) app.addSchema(schema)

  app.get('/v1/me', {
    config: { scope: 'profile' },
    schema: {
      operationId: 'getMe',
      tags: ['me'],
      summary: 'Get my account',
      description: 'Returns the account that the access token belongs to.',
      response: { 200: ref(User), ...problems(400, 401) },
    },
    handler: async (request) => {
      const user = await app.accounts.find(request.user.userId)
      if (user === undefined) throw new Problem('invalid_token')
      return shownTo(request.user, toUser(user))
    },
  })

  app.patch('/v1/me', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'updateMe',
      tags: ['me'],
      summary: 'Change my account',
      description:
        `Changes the given fields. A new user name or e-mail address requires the current password. ${RECENT_FACTOR} ` +
        'If mail is configured, a new address is `pending_email` until POST /v1/email-verification/confirm confirms it.',
      body: ref(MeUpdate),
      response: { 200: ref(User), ...problems(400, 401, 409, 413, 415, 429), 403: wrongPassword },
    },
    handler: async (request) => {
      const { user, body } = request
      const { current_password: password, pending_email: pending, ...wanted } = body
      const before = await app.accounts.find(user.userId)
      if (before === undefined) throw new Problem('invalid_token')
      const changes = changedFrom(before, wanted)
      const isRenamed = changes.username !== undefined || changes.email !== undefined
      if (isRenamed || password !== undefined) await app.stepUp.confirm(user, password, clientOf(request))
      const updated = await app.profiles.update(actorOf(request), {
        ...changes,
        ...(pending === null && NO_PENDING_EMAIL),
        ...(changes.name !== undefined && withNameKey(changes.name)),
        ...(changes.username !== undefined && { usernameKey: changes.username && usernameKey(changes.username) }),
        ...(changes.email !== undefined && { emailKey: changes.email && emailKey(changes.email) }),
      })
      return toUser(updated)
    },
  })

  app.post('/v1/me/password', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'changePassword',
      tags: ['me'],
      summary: 'Change my password',
      description: 'Changes the password and ends all other sessions.',
      body: ref(PasswordChange),
      response: { 204: noContent('Changed.'), ...problems(400, 401, 413, 415, 429), 403: wrongPassword },
    },
    handler: async (request, reply) => {
      const { sessionId } = request.user
      const user = await app.stepUp.confirm(request.user, request.body.current_password, clientOf(request))
      const passwordHash = await app.newPasswords.hash(user, request.body.new_password, clientOf(request))
      await app.newPasswords.change({ user, passwordHash }, sessionId, clientOf(request))
      return reply.code(204).send()
    },
  })

  app.post('/v1/me/delete', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'deleteMe',
      tags: ['me'],
      summary: 'Delete my account',
      description: 'Deletes your account and everything that belongs to it. The last admin cannot be deleted.',
      body: ref(CurrentPassword),
      response: {
        204: noContent('Deleted.'),
        ...problems(400, 401, 413, 415, 429),
        403: wrongPassword,
        409: problemAnswer(409, 'last_admin'),
      },
    },
    handler: async (request, reply) => {
      await app.stepUp.confirm(request.user, request.body.current_password, clientOf(request))
      await app.accounts.delete(request.user.userId, actorOf(request))
      return reply.code(204).send()
    },
  })
}

export default routes

/** Another client sees the address and the roles only with the scopes for them. */
function shownTo({ scopes }: UserCaller, user: Static<typeof User>): Static<typeof User> {
  if (scopes === undefined) return user
  return {
    ...user,
    email: scopes.includes('email') ? user.email : null,
    email_verified: scopes.includes('email') && user.email_verified,
    pending_email: scopes.includes('email') ? user.pending_email : null,
    roles: scopes.includes('roles') ? user.roles : [],
  }
}
