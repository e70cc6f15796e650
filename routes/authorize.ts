import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { identifierOf } from '../src/accounts/user-rows.js'
import { clientOf } from '../src/audit/requester.js'
import { wordsOf } from '../src/clients/scopes.js'
import { hasPages } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { toProblem } from '../src/http/problem-answers.js'
import {
  AuthorizationError,
  type AuthorizationRequest,
  answerAddress,
  isLogInNeeded,
  isOther,
  type Query,
  readAuthorizationRequest,
} from '../src/oauth/authorization-request.js'
import { afterLogIn } from '../src/oauth/interaction.js'
import { consentPage } from '../src/pages/consent-page.js'
import { enrolledPage } from '../src/pages/enrollment-page.js'
import { flowOf, waysOutOf } from '../src/pages/flow.js'
import { redirectToGet, takeForms } from '../src/pages/form-bodies.js'
import { pageLanguage } from '../src/pages/languages.js'
import { hopPage, logInPage } from '../src/pages/log-in-page.js'
import { LogInForm, logInPageAfter, proveBy } from '../src/pages/log-in-steps.js'
import { isOwnForm } from '../src/pages/same-origin.js'
import { Problem } from '../src/problems.js'
import type { BrowserSession } from '../src/sessions/browser-sessions.js'

/** The answer of the consent page, which is only valid for the session that was asked. */
const ConsentForm = Type.Object({
  consent: Type.Union([Type.Literal('yes'), Type.Literal('no')]),
  session: Type.String({ maxLength: 36 }),
})

/** The authorization endpoint, RFC 6749 section 3.1: logs the user in, and issues a code for the client. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const issuer = app.config.PUBLIC_URL
  const path = `${publicPath(app.config)}/authorize`
  await takeForms(app)

  // Writes no row: the form's address contains the request, which is checked again on POST.
  app.get('/authorize', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      const session = await app.browserSessions.find(request.headers.cookie, clientOf(request))
      const { interaction } = authorization
      const mayAsk = !interaction.prompts.includes('none')
      if (session === undefined || isLogInNeeded(authorization, session)) {
        if (mayAsk) return askToLogIn(request, reply, { authorization, session })
        return redirect(reply, logInForbidden(authorization))
      }
      if (!(await isConsentNeeded(authorization, session))) return redirect(reply, answerTo(authorization, session))
      if (mayAsk) return askForConsent(request, reply, { authorization, session, query: flowOf(request) })
      return redirect(
        reply,
        refusalTo(authorization, 'consent_required', 'The user must consent, but prompt=none forbids asking.'),
      )
    },
  })

  app.post('/authorize', {
    config: { public: true, page: true, foreignForms: true, rateLimit: 'network' },
    // OpenID Connect Core, section 3.1.2.1: a client may also post its request, from its own site.
    preValidation: redirectToGet(path, 'client_id'),
    schema: { body: Type.Union([LogInForm, ConsentForm]) },
    handler: async (request, reply) => {
      const { body, headers } = request
      // Checked again, because a log-in form may have a field `consent` of any content.
      const isConsent = Value.Check(ConsentForm, body)
      if (!isOwnForm(headers, app.config, { isLoggedIn: isConsent })) throw new Problem('foreign_form')
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      if (authorization.interaction.prompts.includes('none')) {
        return redirect(reply, logInForbidden(authorization))
      }
      return isConsent
        ? decide(authorization, body, { request, reply })
        : logIn(authorization, body, { request, reply })
    },
  })

  interface Exchange {
    request: FastifyRequest
    reply: FastifyReply
  }

  async function logIn(authorization: AuthorizationRequest, form: LogInForm, { request, reply }: Exchange) {
    const client = clientOf(request)
    const locale = pageLanguage(request)
    const where = { ...formOf(request, authorization), locale }
    const isShared = form.shared !== undefined
    try {
      const proven = await proveBy(form, request, { action: where.action, locale, isShared })
      if ('body' in proven) return reply.page(proven, locale)
      const { user, recoveryCodes } = proven
      const device = { cookie: request.headers.cookie, isShared }
      const { session, setCookie } = await app.browserSessions.begin(user, device, client)
      reply.header('set-cookie', setCookie)
      if (recoveryCodes !== undefined) {
        return reply.page(enrolledPage(recoveryCodes, `${path}${afterLogIn(flowOf(request))}`, locale), locale)
      }
      if (isOther(authorization, session)) {
        const message = 'The user who logged in is not the user of id_token_hint.'
        return hop(reply, refusalTo(authorization, 'login_required', message))
      }
      if (!(await isConsentNeeded(authorization, session))) return hop(reply, answerTo(authorization, session))
      return askForConsent(request, reply, { authorization, session, query: afterLogIn(flowOf(request)) })
    } catch (error) {
      return reply.page(await logInPageAfter(toProblem(error), form, request, where), locale)
    }
  }

  async function decide(
    authorization: AuthorizationRequest,
    { consent, session: asked }: Static<typeof ConsentForm>,
    { request, reply }: Exchange,
  ) {
    const client = clientOf(request)
    const session = await app.browserSessions.find(request.headers.cookie, client)
    // The session was revoked, or the user has logged in again: the consent might be for a page that this user has not
    // seen.
    if (session?.id !== asked || isLogInNeeded(authorization, session)) {
      return redirect(reply, formOf(request, authorization).action)
    }
    if (consent === 'no') return hop(reply, refusalTo(authorization, 'access_denied', 'The user did not consent.'))
    const agreed = { userId: session.userId, scope: authorization.scope }
    await app.consents.grant(authorization.client, agreed, client)
    return hop(reply, answerTo(authorization, session))
  }

  async function askToLogIn(
    request: FastifyRequest,
    reply: FastifyReply,
    { authorization, session }: { authorization: AuthorizationRequest; session: BrowserSession | undefined },
  ) {
    const { interaction } = authorization
    const locale = pageLanguage(request)
    const isForOther = interaction.prompts.includes('select_account')
    const isKnown = session !== undefined && !isForOther && !isOther(authorization, session)
    const known = isKnown ? await nameOf(session) : undefined
    const username = interaction.loginHint ?? known
    const question = app.passkeyLogIn.offer()
    return reply.page(logInPage({ ...formOf(request, authorization), username, question }, locale), locale)
  }

  async function askForConsent(
    request: FastifyRequest,
    reply: FastifyReply,
    { authorization, session, query }: { authorization: AuthorizationRequest; session: BrowserSession; query: string },
  ) {
    const { client, redirectUri, scope, interaction, subject } = authorization
    const locale = pageLanguage(request)
    const otherAccount = new URLSearchParams(query)
    const isAlwaysAsked = interaction.prompts.includes('consent')
    otherAccount.set('prompt', isAlwaysAsked ? 'select_account consent' : 'select_account')
    const page = {
      // Unless the user has just logged in, the form's address keeps `max_age`: the answer may come hours later.
      action: `${path}${query}`,
      client: client.name,
      otherAccount: subject === undefined ? `${path}?${otherAccount}` : undefined,
      redirectUri,
      words: wordsOf(scope),
      user: await nameOf(session),
      sessionId: session.id,
    }
    return reply.page(consentPage(page, locale), locale)
  }

  function isConsentNeeded(
    { client, scope, redirectUri, interaction }: AuthorizationRequest,
    { userId }: BrowserSession,
  ) {
    if (!client.isFirstParty && interaction.prompts.includes('consent')) return true
    return app.consents.isNeeded(client, { userId, scope, redirectUri })
  }

  async function nameOf({ userId }: BrowserSession): Promise<string> {
    return identifierOf(await app.accounts.get(userId))
  }

  /** The authorization request; undefined if the error was sent to the client. */
  async function read(request: FastifyRequest, reply: FastifyReply): Promise<AuthorizationRequest | undefined> {
    try {
      return await readAuthorizationRequest(request.query as Query, app)
    } catch (error) {
      if (!(error instanceof AuthorizationError)) throw error
      await redirect(reply, refusalTo(error, error.code, error.message))
      return undefined
    }
  }

  /** The redirect to the client with a code. */
  function answerTo(authorization: AuthorizationRequest, session: BrowserSession): string {
    const { client, scope, resource, redirectUri, challenge, state, nonce } = authorization
    const { id: parentId, userId, authVersion, amr, authTime } = session
    const code = app.authorizationCodes.make({
      clientId: client.id,
      scope,
      redirectUri,
      ...(challenge !== undefined && { challenge }),
      ...(resource !== undefined && { resource }),
      ...(nonce !== undefined && { nonce }),
      parentId,
      userId,
      authVersion,
      amr,
      authTime,
    })
    return answerAddress(redirectUri, { code, state, iss: issuer })
  }

  /** The redirect to the client with an error of RFC 6749 section 4.1.2.1. */
  function refusalTo(
    { redirectUri, state }: Pick<AuthorizationRequest, 'redirectUri' | 'state'>,
    code: AuthorizationError['code'],
    description: string,
  ): string {
    return answerAddress(redirectUri, { error: code, error_description: description, state, iss: issuer })
  }

  function logInForbidden(authorization: AuthorizationRequest): string {
    return refusalTo(authorization, 'login_required', 'The user must log in, but prompt=none forbids asking.')
  }

  function hop(reply: FastifyReply, address: string): FastifyReply {
    const locale = pageLanguage(reply.request)
    return reply.header('refresh', `0;url=${address}`).page(hopPage(address, locale), locale)
  }

  function redirect(reply: FastifyReply, address: string): FastifyReply {
    return reply.redirect(address, 303)
  }

  function formOf(request: FastifyRequest, { client }: AuthorizationRequest) {
    const flow = flowOf(request)
    return { action: `${path}${flow}`, client: client.name, waysOut: waysOutOf(app, flow) }
  }
}

export default routes
