import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { and, desc, eq, inArray, lt } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { identifierKey, normalizeName } from '../../src/accounts/names.js'
import { isKept, matches } from '../../src/accounts/user-rows.js'
import { Account, toAccount } from '../../src/api/account-schemas.js'
import {
  AccountCreate,
  AccountPage,
  AccountQuery,
  AccountUpdate,
  PasswordReset,
} from '../../src/api/administration-schemas.js'
import { identifiersIn } from '../../src/api/identifiers.js'
import { DEFAULT_LIMIT, pagesOf } from '../../src/api/paging.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { IdParams, noContent, ref } from '../../src/api/schemas.js'
import { timestamp } from '../../src/api/times.js'
import { type Actor, actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import { publicPath } from '../../src/config/public-url.js'
import { Problem } from '../../src/problems.js'
import { storedRoles } from '../../src/tokens/roles.js'

const toRead = { role: 'admin', scope: 'users:read' } as const
const toWrite = { role: 'admin', scope: 'users:write', recentLogin: true } as const

const pages = pagesOf('users')

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { db, tables } = app.database
  const { users } = tables
  const path = publicPath(app.config)
  for (const schema of [AccountCreate, AccountUpdate, AccountPage, PasswordReset]) app.addSchema(schema)

  app.get('/v1/users', {
    config: toRead,
    schema: {
      operationId: 'listUsers',
      tags: ['admin'],
      summary: 'List accounts',
      description: 'Returns a page of accounts, newest first.',
      querystring: AccountQuery,
      response: { 200: ref(AccountPage), ...problems(400, 401, 403) },
    },
    handler: async ({ query }) => {
      const { search, username, email, role, is_active: isActive, limit = DEFAULT_LIMIT, cursor } = query
      const rows = await db
        .select()
        .from(users)
        .where(
          and(
            lt(users.id, pages.before(cursor)),
            isKept(tables),
            search === undefined ? undefined : matches(tables, search),
            username === undefined ? undefined : eq(users.usernameKey, normalizeName(username)),
            email === undefined ? undefined : inArray(users.emailKey, [identifierKey(email), normalizeName(email)]),
            role === undefined ? undefined : eq(users.role, role),
            isActive === undefined ? undefined : eq(users.isActive, isActive),
          ),
        )
        .orderBy(desc(users.id))
        .limit(limit + 1)
      return pages.page(rows, limit, toAccount)
    },
  })

  app.post('/v1/users', {
    config: toWrite,
    attachValidation: true,
    schema: {
      operationId: 'createUser',
      tags: ['admin'],
      summary: 'Create an account for another user',
      description:
        'Creates an account without a password. With `invite`, the user receives a mail to choose a password ' +
        'within seven days. Otherwise, POST /v1/users/{id}/password-reset lets the user set a password. ' +
        'Reserved user names are allowed, and registration may be closed.',
      body: ref(AccountCreate),
      response: {
        201: {
          description: 'The account.',
          headers: { Location: Type.String({ description: 'The URL of the account.' }) },
          content: { 'application/json': { schema: ref(Account) } },
        },
        ...problems(400, 401, 403, 409, 413, 415),
      },
    },
    handler: async (request, reply) => {
      const { username, email } = identifiersIn(request, 'one or both')
      const { name, role, roles, invite } = request.body
      const actor = managerOf(request)
      const user = await app.registration.create(
        { username, email, name: name || undefined },
        {
          ...(role !== undefined && { role }),
          roles: storedRoles(roles ?? []),
          actor,
          finish: async (user, db) => invite && app.invitations.invite(db, user, actor),
        },
      )
      return reply.code(201).header('location', `${path}/v1/users/${user.id}`).send(toAccount(user))
    },
  })

  app.get('/v1/users/:id', {
    config: toRead,
    schema: {
      operationId: 'getUser',
      tags: ['admin'],
      summary: 'Get an account',
      description: 'Returns any account.',
      params: IdParams,
      response: { 200: ref(Account), ...problems(400, 401, 403, 404) },
    },
    handler: async ({ params }) => toAccount(await app.accounts.get(params.id)),
  })

  app.patch('/v1/users/:id', {
    config: toWrite,
    schema: {
      operationId: 'updateUser',
      tags: ['admin'],
      summary: 'Change the role, roles or status of an account',
      description:
        'Changes the given fields. A user who is demoted, loses a role or is disabled is logged out everywhere, ' +
        'and the API keys of the user are revoked. The last admin can be neither demoted nor disabled (409 ' +
        '`last_admin`).',
      params: IdParams,
      body: ref(AccountUpdate),
      response: { 200: ref(Account), ...problems(400, 401, 403, 404, 413, 415), 409: problemAnswer(409, 'last_admin') },
    },
    handler: async (request) => {
      const { role, roles, is_active: isActive } = request.body
      const changes = {
        ...(role !== undefined && { role }),
        ...(roles !== undefined && { roles: storedRoles(roles) }),
        ...(isActive !== undefined && { isActive }),
      }
      return toAccount(await app.administration.change(request.params.id, changes, managerOf(request)))
    },
  })

  app.delete('/v1/users/:id', {
    config: toWrite,
    schema: {
      operationId: 'deleteUser',
      tags: ['admin'],
      summary: 'Delete an account',
      description:
        'Deletes the account and everything that belongs to it. To delete your own account, use POST ' +
        '/v1/me/delete, which requires the password.',
      params: IdParams,
      response: {
        204: noContent('Deleted.'),
        ...problems(400, 401, 403, 404, 413, 415),
        409: problemAnswer(409, 'last_admin'),
      },
    },
    handler: async (request, reply) => {
      if (request.params.id === managerOf(request).id) {
        // An access token alone, which may be stolen, must not be enough to delete the own account.
        throw new Problem('account_protected', { detail: 'For your own account, use POST /v1/me/delete.' })
      }
      await app.accounts.delete(request.params.id, managerOf(request))
      return reply.code(204).send()
    },
  })

  app.delete('/v1/users/:id/sessions', {
    config: toWrite,
    schema: {
      operationId: 'revokeUserSessions',
      tags: ['admin'],
      summary: 'End all sessions of an account',
      description: 'Ends all sessions of the account. Their tokens stop working within a second.',
      params: IdParams,
      response: { 204: noContent('The sessions have ended.'), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      await app.accounts.endSessions(request.params.id, managerOf(request))
      return reply.code(204).send()
    },
  })

  app.delete('/v1/users/:id/factors', {
    config: toWrite,
    schema: {
      operationId: 'deleteUserFactors',
      tags: ['admin'],
      summary: 'Remove the second factors of an account',
      description:
        'Removes all second factors and recovery codes of a user who has lost them, and ends all sessions of the ' +
        'account. For your own account, use DELETE /v1/me/factors/{id}; for another admin, use the command line. ' +
        'This operation refuses both (403 `account_protected`).',
      params: IdParams,
      response: { 204: noContent('Removed.'), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      await app.secondFactors.removeAll(request.params.id, managerOf(request))
      return reply.code(204).send()
    },
  })

  app.post('/v1/users/:id/password-reset', {
    config: toWrite,
    schema: {
      operationId: 'createPasswordReset',
      tags: ['admin'],
      summary: 'Create a password-reset token',
      description:
        'Creates a token for a user who forgot the password. If mail is configured and the account has an e-mail ' +
        'address, the token is mailed to the user and the response is 202. Otherwise the response contains the ' +
        'token: pass it on to the user. A token works once, within an hour, while you remain an admin, and ' +
        'replaces an earlier token. An OAuth client never receives a token: without a mail, the response is 403. ' +
        'For your own account, use POST /v1/me/password; for another admin, use the command line. This operation ' +
        'refuses both (403 `account_protected`).',
      params: IdParams,
      response: {
        201: { description: 'The token.', content: { 'application/json': { schema: ref(PasswordReset) } } },
        202: noContent('A mail will be sent to the user.'),
        ...problems(400, 401, 403, 404, 413, 415),
      },
    },
    handler: async (request, reply) => {
      const made = await app.administration.createPasswordReset(request.params.id, managerOf(request))
      if (made === undefined) return reply.code(202).send()
      return reply.code(201).send({ token: made.token, expires_at: timestamp(made.expiresAt) })
    },
  })
}

export default routes

function managerOf(request: FastifyRequest): Actor {
  const { caller } = request
  return caller.kind === 'user' ? actorOf(request) : { clientId: caller.clientId, client: clientOf(request) }
}
