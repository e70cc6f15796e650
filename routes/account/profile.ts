import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { withNameKey } from '../../src/accounts/names.js'
import { changedFrom } from '../../src/accounts/profiles.js'
import { actorOf } from '../../src/audit/actors.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { profilePage } from '../../src/pages/profile-page.js'
import { NAME_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Object({
  name: Type.String({ maxLength: NAME_MAX_LENGTH }),
  locale: Type.String({ maxLength: 35, pattern: '^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$' }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/profile', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) =>
      reply.page(profilePage(await app.accounts.get(request.user.userId), viewOf(request))),
  })

  app.post('/account/profile', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const { name, locale } = request.body
      try {
        const before = await app.accounts.get(request.user.userId)
        const changes = changedFrom(before, { name: name || null, locale: locale || null })
        await app.profiles.update(actorOf(request), {
          ...changes,
          ...(changes.name !== undefined && withNameKey(changes.name)),
        })
      } catch (error) {
        return reply.page(profilePage({ name, locale }, errorView(error, ['name_rejected'], request)))
      }
      return doneOn(reply, 'profile')
    },
  })
}

export default routes
