import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { and, desc, eq, gte, lt } from 'drizzle-orm'
import { DEFAULT_LIMIT, nextCursor, pageQuery, pagesOf } from '../../src/api/paging.js'
import { problems } from '../../src/api/problem-schemas.js'
import { idOf, nullable, oneOf, pageOf, ref, sentId } from '../../src/api/schemas.js'
import { milliseconds, timestamp } from '../../src/api/times.js'
import { EVENT_TYPES } from '../../src/audit/events.js'
import type { Tables } from '../../src/database/database.js'

const nullableId = (description: string) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], format: 'int64', description })

const Event = Type.Object(
  {
    id: idOf('The id of the event. Later events have larger ids.'),
    type: Type.String({ description: `The type of event: ${EVENT_TYPES.join(', ')}. Later versions may add types.` }),
    user_id: nullableId('The user that the event is about; null if the given name belongs to no account.'),
    actor_id: nullableId(
      'The user who caused the event; null for the command line and for requests that were not authenticated.',
    ),
    actor_client_id: nullable({
      description: 'The OAuth client that caused the event on its own behalf, without a user.',
    }),
    session_id: nullable({ description: 'The id of the session.' }),
    ip: nullable({ description: 'The IP address of the request.' }),
    request_id: nullable({ description: 'The id of the request, as logged.' }),
    reason: nullable({ description: 'Details of the event, such as the reason.' }),
    created_at: Type.String({ format: 'date-time', description: 'Time of the event, in UTC.' }),
  },
  {
    $id: 'Event',
    description: 'An audit event.',
    examples: [
      {
        id: 7,
        type: 'login.failed',
        user_id: 1,
        actor_id: 1,
        actor_client_id: null,
        session_id: null,
        ip: '192.0.2.7',
        request_id: 'Y73nrPdU-a',
        reason: 'wrong_password',
        created_at: '2026-11-20T09:00:00.000Z',
      },
    ],
  },
)

const EventPage = Type.Object(
  { items: pageOf(Event), next_cursor: nextCursor },
  {
    $id: 'EventPage',
    description: 'A page of events, newest first.',
    examples: [{ items: Event.examples, next_cursor: null }],
  },
)

const pages = pagesOf('events')

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { db, tables } = app.database
  const { events } = tables
  app.addSchema(Event)
  app.addSchema(EventPage)

  app.get('/v1/events', {
    config: { role: 'admin', scope: 'events:read' },
    schema: {
      operationId: 'listEvents',
      tags: ['admin'],
      summary: 'Read the audit log',
      description:
        'Returns a page of audit events, newest first. The setting EVENTS_RETENTION determines how long events are ' +
        'kept.',
      querystring: Type.Object(
        {
          type: Type.Optional(oneOf(EVENT_TYPES, { description: 'The type of events to list.' })),
          user_id: Type.Optional(sentId('The id of the user whose events to list.')),
          since: Type.Optional(
            Type.String({ format: 'date-time', description: 'The start of the period, inclusive.' }),
          ),
          until: Type.Optional(Type.String({ format: 'date-time', description: 'The end of the period, exclusive.' })),
          ...pageQuery,
        },
        { additionalProperties: false },
      ),
      response: { 200: ref(EventPage), ...problems(400, 401, 403) },
    },
    handler: async ({ query }) => {
      const { type, user_id: userId, since, until, limit = DEFAULT_LIMIT, cursor } = query
      const rows = await db
        .select()
        .from(events)
        .where(
          and(
            lt(events.id, pages.before(cursor)),
            type === undefined ? undefined : eq(events.type, type),
            userId === undefined ? undefined : eq(events.userId, userId),
            since === undefined ? undefined : gte(events.createdAt, time('/since', since)),
            until === undefined ? undefined : lt(events.createdAt, time('/until', until)),
          ),
        )
        .orderBy(desc(events.id))
        .limit(limit + 1)
      return pages.page(rows, limit, toEvent)
    },
  })
}

export default routes

function time(path: string, text: string): number {
  return milliseconds(text, { in: 'querystring', path })
}

function toEvent(row: Tables['events']['$inferSelect']): Static<typeof Event> {
  return {
    id: row.id,
    type: row.type,
    user_id: row.userId,
    actor_id: row.actorId,
    actor_client_id: row.actorClientId,
    session_id: row.sessionId,
    ip: row.ip,
    request_id: row.requestId,
    reason: row.reason,
    created_at: timestamp(row.createdAt),
  }
}
