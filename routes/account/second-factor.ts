import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { withNameKey } from '../../src/accounts/names.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { qrCode } from '../../src/factors/qr-codes.js'
import { serviceName } from '../../src/mail/composer.js'
import { Done, doneOn, mendable, type View, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { recoveryCodesPage } from '../../src/pages/once-page.js'
import { scanPage, secondFactorPage } from '../../src/pages/second-factor-page.js'
import { NAME_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Union([
  Type.Object({ deed: Type.Literal('begin'), name: Type.Optional(Type.String({ maxLength: NAME_MAX_LENGTH })) }),
  Type.Object({
    deed: Type.Literal('confirm'),
    code: Type.String({ minLength: 1, maxLength: 32 }),
    /** What the page before has shown, to be shown again where the code was wrong. It is stored nowhere in this form. */
    uri: Type.String({ pattern: '^otpauth://totp/[!-~]+$', maxLength: 1_024 }),
  }),
  Type.Object({ deed: Type.Literal('remove'), id: Type.String({ maxLength: 64 }), sure: Type.Literal('yes') }),
  Type.Object({ deed: Type.Literal('new-codes') }),
])
type Form = Static<typeof Form>

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const issuer = serviceName(app.config)
  await takeForms(app)

  // Whoever comes for this has proved a moment ago who they are, so that the forms of the page need nothing more.
  app.get('/account/second-factor', {
    config: { page: true, browser: true, recentLogin: true },
    schema: { querystring: Done },
    handler: async (request, reply) => reply.page(await listPage(request.user.userId, viewOf(request))),
  })

  app.post('/account/second-factor', {
    config: { page: true, browser: true, recentLogin: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => act(request.body, request, reply),
  })

  async function act(form: Form, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { userId, sessionId } = request.user
    const owner = { id: userId, sessionId, client: clientOf(request) }
    if (form.deed === 'confirm') return confirm(form, request, reply)
    if (form.deed === 'new-codes') {
      return reply.page(recoveryCodesPage(await app.secondFactors.replaceRecoveryCodes(owner), viewOf(request)))
    }
    if (form.deed === 'remove') {
      await app.secondFactors.remove(owner, form.id)
      return doneOn(reply, 'second-factor')
    }
    try {
      const name = withNameKey(form.name ?? null).name || null
      const { uri } = await app.secondFactors.begin(owner, { name, issuer })
      return reply.page(scanPage({ uri, qr: await qrCode(uri) }, viewOf(request)))
    } catch (error) {
      return reply.page(await listPage(userId, mendable(error, ['name_rejected', 'too_many_factors'], request)))
    }
  }

  async function confirm(
    { code, uri }: Extract<Form, { deed: 'confirm' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { userId, sessionId } = request.user
    try {
      const codes = await app.secondFactors.confirm({ id: userId, sessionId, client: clientOf(request) }, code)
      return codes.length > 0 ? reply.page(recoveryCodesPage(codes, viewOf(request))) : doneOn(reply, 'second-factor')
    } catch (error) {
      const view = mendable(error, ['wrong_code'], request)
      return reply.page(scanPage({ uri, qr: await qrCode(uri) }, view))
    }
  }

  async function listPage(userId: number, view: View) {
    const [factors, codesLeft] = [await app.factors.list(userId), await app.factors.recoveryCodesLeft(userId)]
    return secondFactorPage({ factors, codesLeft }, view)
  }
}

export default routes
