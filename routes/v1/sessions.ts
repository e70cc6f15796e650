import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { nextCursor } from '../../src/api/paging.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent, nullable, pageOf, ref } from '../../src/api/schemas.js'
import { timestamp } from '../../src/api/times.js'
import { clientOf } from '../../src/audit/requester.js'
import { Problem } from '../../src/problems.js'

const MINUTE_MS = 60_000

const Session = Type.Object(
  {
    id: Type.String({ format: 'uuid', description: 'The id of the session: the `sid` claim of its access tokens.' }),
    created_at: Type.String({ format: 'date-time', description: 'Time of the log-in, in UTC.' }),
    last_used_at: Type.String({
      format: 'date-time',
      description: 'Time of the last use, to the minute, in UTC.',
    }),
    ip: Type.String({ description: 'The IP address that last obtained tokens for the session.' }),
    user_agent: nullable({ description: 'The User-Agent header of the log-in.' }),
    current: Type.Boolean({ description: 'Whether this request belongs to the session.' }),
  },
  {
    $id: 'Session',
    description: 'An active session.',
    examples: [
      {
        id: '7d444840-9dc0-41c9-8c5b-5e8bd3b5c2a1',
        created_at: '2026-11-20T09:00:00.000Z',
        last_used_at: '2026-11-20T09:30:00.000Z',
        ip: '192.0.2.7',
        user_agent: 'curl/8.14.1',
        current: true,
      },
    ],
  },
)

const SessionPage = Type.Object(
  { items: pageOf(Session), next_cursor: nextCursor },
  {
    $id: 'SessionPage',
    description:
      'All active sessions, newest first. Besides the sessions of OAuth clients, there are at most 100 API ' +
      'sessions with a refresh token, 100 browser sessions and 100 sessions without a refresh token.',
    examples: [{ items: Session.examples, next_cursor: null }],
  },
)

const SessionParams = Type.Object({ id: Type.String({ format: 'uuid', description: 'The id of the session.' }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Session)
  app.addSchema(SessionPage)

  app.get('/v1/sessions', {
    schema: {
      operationId: 'listSessions',
      tags: ['me'],
      summary: 'List your sessions',
      description: 'Returns your active sessions, newest first.',
      response: { 200: ref(SessionPage), ...problems(400, 401) },
    },
    handler: async ({ user }) => {
      const sessions = await app.sessions.list(user.userId)
      const items = sessions.map(({ id, ip, userAgent, createdAt, lastUsedAt }) => ({
        id,
        created_at: timestamp(createdAt),
        last_used_at: timestamp(lastUse(createdAt, id === user.sessionId ? Date.now() : lastUsedAt)),
        ip,
        user_agent: userAgent,
        current: id === user.sessionId,
      }))
      return { items, next_cursor: null }
    },
  })

  app.delete('/v1/sessions/:id', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'revokeSession',
      tags: ['me'],
      summary: 'End one of your sessions',
      description: 'Ends the session. Its tokens stop working within a second.',
      params: SessionParams,
      response: { 204: noContent('The session has ended.'), ...problems(400, 401, 404, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      const { user, params } = request
      const hasEnded = await app.sessions.revokeOwn(user.userId, params.id, clientOf(request))
      if (!hasEnded) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })

  app.delete('/v1/sessions', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'revokeOtherSessions',
      tags: ['me'],
      summary: 'End all your other sessions',
      description:
        'Ends all your sessions except the session of this request, and revokes unused links and codes for ' +
        'password resets, address changes and log-ins.',
      response: { 204: noContent('The sessions have ended.'), ...problems(400, 401, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      const { userId, sessionId } = request.user
      await app.accounts.endOtherSessions(userId, sessionId, clientOf(request))
      return reply.code(204).send()
    },
  })
}

/**
 * The minute of the last use, in milliseconds. The exact time of the last refresh would tell a thief with a token of
 * this session that the owner has just refreshed, and when to replay within the reuse window; so the current session
 * always counts as in use now.
 */
function lastUse(createdAt: number, usedAt: number): number {
  return Math.max(createdAt, usedAt - (usedAt % MINUTE_MS))
}

export default routes
