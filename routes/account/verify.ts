import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { shownIn } from '../../src/accounts/shown.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { shownName } from '../../src/mail/recipients.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { siteOf } from '../../src/pages/layout.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { undoPage, verifyDonePage, verifyPage } from '../../src/pages/verify-page.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const CORRECTABLE: readonly ProblemCode[] = ['invalid_credentials', 'email_rejected', 'invalid_one_time_token']

const Link = Type.Object({ token: Type.Optional(Type.String({ maxLength: 128 })) })
const Form = Type.Object({
  token: Type.Optional(Type.String({ maxLength: 128 })),
  email: Type.Optional(Type.String({ maxLength: IDENTIFIER_MAX_LENGTH })),
  code: Type.Optional(Type.String({ maxLength: 128 })),
  password: Type.Optional(Type.String({ maxLength: PASSWORD_MAX_LENGTH })),
  deed: Type.Optional(Type.Union([Type.Literal('decline'), Type.Literal('undo')])),
  /** A box that only a user checks: mail scanners submit forms unchanged. */
  sure: Type.Optional(Type.Literal('yes')),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const site = siteOf(app.config)
  await takeForms(app)

  app.get('/account/verify', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Link },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { token } = request.query
      if (!token) return reply.page(verifyPage({}, site, locale))
      const { row, user } = await app.emailAddresses.find({ token }, clientOf(request))
      if (row.purpose === 'email_undo') return reply.page(undoPage(token, row.target, { ...site, locale }))
      return reply.page(verifyPage({ token, email: row.target, name: shownName(user) }, site, locale))
    },
  })

  app.post('/account/verify', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { token, email, deed, sure, password = '' } = request.body
      const client = clientOf(request)
      try {
        const grant = await app.emailAddresses.find(shownIn(request.body), client)
        if ((grant.row.purpose === 'email_undo') !== (deed === 'undo')) throw new Problem('invalid_one_time_token')
        if (deed !== undefined && sure === undefined) throw new Problem('validation_failed')
        if (deed === 'undo') await app.emailAddresses.undo(grant, client)
        else if (deed === 'decline') await app.emailAddresses.decline(grant, client)
        else {
          if (password === '') throw new Problem('validation_failed')
          await app.logIn.prove(grant.user, password, client).catch(async (error) => {
            await app.oneTimeTokens.giveBack(grant)
            throw error
          })
          await app.emailAddresses.confirm(grant, client)
        }
      } catch (error) {
        const problem = toProblem(error)
        const isLink = problem.code === 'invalid_one_time_token' && token
        if (!CORRECTABLE.includes(problem.code) || isLink || deed !== undefined) throw error
        return reply.page(verifyPage({ token, email, error: sentenceOf(problem, locale) }, site, locale))
      }
      const done = { undo: 'undone', decline: 'declined', confirm: 'confirmed' } as const
      return reply.page(verifyDonePage(done[deed ?? 'confirm'], site, locale))
    },
  })
}

export default routes
