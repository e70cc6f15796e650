import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { withNameKey } from '../../src/accounts/names.js'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import { OWN_SCOPES } from '../../src/clients/scopes.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, viewOf } from '../../src/pages/account-page.js'
import { apiKeysPage, LIFETIMES_DAYS, SCOPE_FIELD } from '../../src/pages/api-keys-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { newKeyPage } from '../../src/pages/once-page.js'
import { Problem, type ProblemCode } from '../../src/problems.js'

const DAY_MS = 86_400_000
const CORRECTABLE: readonly ProblemCode[] = [
  'key_rejected',
  'name_rejected',
  'not_found',
  'too_many_rows',
  'validation_failed',
]

const Form = Type.Union([
  Type.Object({ deed: Type.Literal('end'), id: Type.String({ maxLength: 64 }) }),
  // The form also has a field for each checked scope.
  Type.Object({
    deed: Type.Literal('make'),
    name: Type.String({ minLength: 1, maxLength: 100 }),
    days: Type.Union(LIFETIMES_DAYS.map((days) => Type.Literal(String(days)))),
  }),
])

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/api-keys', {
    config: { page: true, browser: true, recentLogin: true },
    schema: { querystring: Done },
    handler: async (request, reply) => {
      const { userId, role } = request.user
      return reply.page(apiKeysPage({ keys: await app.apiKeys.list(userId), role }, viewOf(request)))
    },
  })

  app.post('/account/api-keys', {
    config: { page: true, browser: true, recentLogin: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const { body } = request
      const { userId: id, role } = request.user
      const client = clientOf(request)
      try {
        if (body.deed === 'end') {
          if (!(await app.apiKeys.revoke(id, body.id, { actorId: id, client }))) throw new Problem('not_found')
          return doneOn(reply, 'api-keys')
        }
        const scope = scopeIn(body)
        if (scope === '') throw new Problem('validation_failed')
        const wanted = { name: withNameKey(body.name).name, scope, expiresAt: Date.now() + Number(body.days) * DAY_MS }
        const { key } = await app.apiKeys.create({ ...actorOf(request), role }, wanted)
        return reply.page(newKeyPage(key, viewOf(request)))
      } catch (error) {
        const view = errorView(error, CORRECTABLE, request)
        const typed = body.deed === 'make' ? { ...body, scope: scopeIn(body) } : undefined
        return reply.page(apiKeysPage({ keys: await app.apiKeys.list(id), role, typed }, view))
      }
    },
  })
}

export default routes

/** The scopes of the checked boxes. Other fields are ignored: a made-up scope may be no valid text of a header. */
function scopeIn(form: object): string {
  return Object.keys(OWN_SCOPES)
    .filter((word) => Object.hasOwn(form, SCOPE_FIELD + word))
    .join(' ')
}
