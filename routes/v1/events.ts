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
    id: idOf('Its number; later ones are larger.'),
    type: Type.String({ description: `One of ${EVENT_TYPES.join(', ')}; later versions may add more.` }),
    user_id: nullableId('Whom it is about; null when the name that was given is nobody’s.'),
    actor_id: nullableId('Who did it; null for the command line, and for whoever did not prove who they are.'),
    actor_client_id: nullable({ description: 'The client that did it for itself, without a user.' }),
    session_id: nullable({ description: 'In which session.' }),
    ip: nullable({ description: 'From where.' }),
    request_id: nullable({ description: 'In which request; finds it in the log.' }),
    reason: nullable({ description: 'Why, or what exactly.' }),
    created_at: Type.String({ format: 'date-time', description: 'When it happened, in UTC.' }),
  },
  {
    $id: 'Event',
    description: 'Something that happened to an account.',
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
    description: 'Events, the newest first.',
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
      description: 'The newest first, a page at a time; EVENTS_RETENTION says how far it goes back.',
      querystring: Type.Object(
        {
          type: Type.Optional(oneOf(EVENT_TYPES, { description: 'Only events of this type.' })),
          user_id: Type.Optional(sentId('Only about this user.')),
          since: Type.Optional(Type.String({ format: 'date-time', description: 'Not before this time.' })),
          until: Type.Optional(Type.String({ format: 'date-time', description: 'Before this time.' })),
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
