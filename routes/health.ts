import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { problemAnswer, problems } from '../src/api/problem-schemas.js'
import { oneOf, ref } from '../src/api/schemas.js'
import { Problem } from '../src/problems.js'

const READINESS_TIMEOUT_MS = 1_500

/** A busy process must count as alive: if it is killed, the others get its load as well. */
const ANSWER_ALWAYS = () => {}

const NO_KEY = 'No signing key can be decrypted with this SECRET_KEY: see latchkey keys list.'

const Health = Type.Object(
  { status: oneOf(['ok'], { description: 'Always `ok`. If a check fails, the response is 503.' }) },
  { $id: 'Health', description: 'The process is healthy.', examples: [{ status: 'ok' }] },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Health)

  const alive = { status: 'ok' } as const

  app.get('/livez', {
    config: { public: true, pressureHandler: ANSWER_ALWAYS },
    schema: {
      operationId: 'getLiveness',
      tags: ['health'],
      summary: 'Check that the process is alive',
      description:
        'Returns 200 while the process can respond, without using the database. If the request fails, restart the ' +
        'process.',
      security: [],
      response: { 200: ref(Health), ...problems(431) },
    },
    handler: async () => alive,
  })

  app.get('/healthz', {
    config: { public: true, pressureHandler: ANSWER_ALWAYS },
    schema: {
      operationId: 'getHealth',
      tags: ['health'],
      summary: 'Check that the process is alive (alias)',
      description: 'Returns the same response as /livez.',
      security: [],
      response: { 200: ref(Health), ...problems(431) },
    },
    handler: async () => alive,
  })

  app.get('/readyz', {
    config: { public: true },
    schema: {
      operationId: 'getReadiness',
      tags: ['health'],
      summary: 'Check that the process is ready for requests',
      description:
        'Returns 200 if the database responds. The response is 503 while the database does not respond, while ' +
        'there is no signing key, while the list of revocations is out of date, and while the process drains ' +
        'before it stops.',
      security: [],
      response: { 200: ref(Health), ...problems(431), 503: problemAnswer(503, 'not_ready') },
    },
    handler: async () => {
      if (app.drain.hasBegun) throw new Problem('not_ready', { detail: 'This process is about to stop.' })
      if (!app.keys.canSign || !app.idTokenKeys.canSign) throw new Problem('not_ready', { detail: NO_KEY })
      if (app.revocations.isStale()) throw new Problem('revocations_stale')
      await withinTime(app.database.ping())
      return alive
    },
  })
}

async function withinTime(answer: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Problem('database_unavailable')), READINESS_TIMEOUT_MS)
  })
  try {
    await Promise.race([answer, timeout])
  } finally {
    clearTimeout(timer)
  }
}

export default routes
