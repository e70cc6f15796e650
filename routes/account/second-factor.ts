import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { nameIn } from '../../src/api/factor-schemas.js'
import { actorOf } from '../../src/audit/actors.js'
import { hasPages } from '../../src/config/pages.js'
import { CreatedPasskey } from '../../src/factors/passkey-schemas.js'
import { qrCode } from '../../src/factors/qr-codes.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { serviceName } from '../../src/mail/composer.js'
import { Done, doneOn, errorView, type View, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { recoveryCodesPage } from '../../src/pages/once-page.js'
import { PASSKEY_MAX_LENGTH, passkeyIn } from '../../src/pages/passkey-forms.js'
import { oldFormIn, scanPage, secondFactorPage } from '../../src/pages/second-factor-page.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import { FACTOR_NAME_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Union([
  Type.Object({ deed: Type.Literal('begin'), name: Type.Optional(Type.String({ maxLength: FACTOR_NAME_MAX_LENGTH })) }),
  Type.Object({
    deed: Type.Literal('confirm'),
    code: Type.String({ minLength: 1, maxLength: 32 }),
    /** From the previous page, to be shown again if the code is wrong: the secret is stored only encrypted. */
    uri: Type.String({ pattern: '^otpauth://totp/[!-~]+$', maxLength: 1_024 }),
  }),
  Type.Object({
    deed: Type.Literal('add-passkey'),
    passkey: Type.String({ minLength: 1, maxLength: PASSKEY_MAX_LENGTH }),
    'passkey-name': Type.Optional(Type.String({ maxLength: FACTOR_NAME_MAX_LENGTH })),
  }),
  Type.Object({ deed: Type.Literal('remove'), id: Type.String({ maxLength: 64 }), sure: Type.Literal('yes') }),
  Type.Object({
    deed: Type.Literal('rename'),
    id: Type.String({ maxLength: 64 }),
    name: Type.Optional(Type.String({ maxLength: FACTOR_NAME_MAX_LENGTH })),
  }),
  Type.Object({ deed: Type.Literal('new-codes') }),
])
type Form = Static<typeof Form>

/** Problems because of which an account cannot add a passkey: its page then has no form for one. */
const UNABLE: readonly ProblemCode[] = ['passkeys_unavailable', 'too_many_factors', 'mfa_disabled']

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const issuer = serviceName(app.config)
  await takeForms(app)

  // `recentLogin` has just authenticated the user, so that the forms of the page need no further proof.
  app.get('/account/second-factor', {
    config: { page: true, browser: true, recentLogin: true },
    schema: { querystring: Done },
    handler: async (request, reply) => reply.page(await listPage(request, viewOf(request))),
  })

  app.post('/account/second-factor', {
    config: { page: true, browser: true, recentLogin: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => act(request.body, request, reply),
  })

  async function act(form: Form, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const owner = actorOf(request)
    if (form.deed === 'add-passkey') return addPasskey(form, request, reply)
    if (form.deed === 'confirm') return confirm(form, request, reply)
    if (form.deed === 'new-codes') {
      return reply.page(recoveryCodesPage(await app.secondFactors.replaceRecoveryCodes(owner), viewOf(request)))
    }
    if (form.deed === 'remove') {
      try {
        await app.secondFactors.remove(owner, form.id)
      } catch (error) {
        return reply.page(await listPage(request, errorView(error, ['last_factor', 'not_found'], request)))
      }
      return doneOn(reply, 'second-factor')
    }
    if (form.deed === 'rename') return rename(form, request, reply)
    try {
      const { uri } = await app.secondFactors.begin(owner, { name: nameIn(form), issuer })
      return reply.page(scanPage({ uri, qr: await qrCode(uri) }, viewOf(request)))
    } catch (error) {
      return reply.page(
        await listPage(request, errorView(error, ['name_rejected', 'too_many_factors', 'mfa_disabled'], request)),
      )
    }
  }

  /** Renames a factor. Without a name, the page shows its kind. */
  async function rename(
    { id, name }: Extract<Form, { deed: 'rename' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    try {
      if (!(await app.factors.rename(actorOf(request).id, id, nameIn({ name: name ?? null }))))
        throw new Problem('not_found')
    } catch (error) {
      return reply.page(await listPage(request, errorView(error, ['name_rejected', 'not_found'], request)))
    }
    return doneOn(reply, 'second-factor')
  }

  async function confirm(
    { code, uri }: Extract<Form, { deed: 'confirm' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    try {
      return added(await app.secondFactors.confirm(actorOf(request), code), request, reply)
    } catch (error) {
      const view = errorView(error, ['wrong_code'], request)
      // The form was sent twice, or the user went back: the factor is confirmed already, and only the lost response
      // showed the recovery codes. Or another tab has begun again: no code of this secret is right any more.
      if (!(await app.factors.hasBegun(request.user.userId, uri)))
        return reply.page(await listPage(request, viewOf(request, oldFormIn(view.locale))))
      return reply.page(scanPage({ uri, qr: await qrCode(uri) }, view))
    }
  }

  async function addPasskey(
    form: Extract<Form, { deed: 'add-passkey' }>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    try {
      const response = passkeyIn(form.passkey, CreatedPasskey, request)
      const made = { name: nameIn({ name: form['passkey-name'] ?? null }), response }
      return added((await app.secondFactors.addPasskey(actorOf(request), made)).recoveryCodes, request, reply)
    } catch (error) {
      return reply.page(
        await listPage(request, errorView(error, ['passkey_rejected', 'name_rejected', ...UNABLE], request)),
      )
    }
  }

  function added(codes: string[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
    return codes.length > 0 ? reply.page(recoveryCodesPage(codes, viewOf(request))) : doneOn(reply, 'second-factor')
  }

  async function listPage(request: FastifyRequest, view: View) {
    const owner = actorOf(request)
    const making = await app.secondFactors.passkeyOptions(owner, issuer).catch(undefinedIfUnable)
    const userId = owner.id
    const [factors, codesLeft] = [await app.factors.list(userId), await app.factors.recoveryCodesLeft(userId)]
    return secondFactorPage({ factors, codesLeft, canAdd: app.config.MFA !== 'off', making }, view)
  }
}

function undefinedIfUnable(error: unknown): undefined {
  if (!UNABLE.includes(toProblem(error).code)) throw error
}

export default routes
