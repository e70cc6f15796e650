import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LoggedIn } from '../src/accounts/log-in.js'
import { type Client, clientOf } from '../src/audit/requester.js'
import { hasPages } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { readTotpCode } from '../src/factors/totp.js'
import { toProblem } from '../src/http/problem-answers.js'
import {
  AuthorizationError,
  type AuthorizationRequest,
  answerAddress,
  type Query,
  readAuthorizationRequest,
} from '../src/oauth/authorization-request.js'
import { takeForms } from '../src/pages/form-bodies.js'
import { type Locale, languageOf } from '../src/pages/languages.js'
import type { Page } from '../src/pages/layout.js'
import { FACTOR_CODE_MAX_LENGTH, factorPage, hopPage, logInPage } from '../src/pages/log-in-page.js'
import { sentenceOf } from '../src/pages/refusals.js'
import type { Problem, ProblemCode } from '../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../src/text-lengths.js'

/** What the form shows above itself, because the person can mend it there. */
const MENDABLE: readonly ProblemCode[] = [
  ...(['invalid_credentials', 'password_rejected', 'email_unverified', 'too_many_attempts'] as const),
  ...(['wrong_code', 'invalid_ticket'] as const),
]
/** How a person proves who they are with a password, as RFC 8176 has it. */
const PASSWORD = 'pwd'

const PasswordForm = Type.Object({
  username: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
})
const FactorForm = Type.Object({
  ticket: Type.String({ minLength: 1, maxLength: 512 }),
  code: Type.String({ minLength: 1, maxLength: FACTOR_CODE_MAX_LENGTH }),
})
type Form = Static<typeof PasswordForm> | Static<typeof FactorForm>

/** The authorization endpoint of RFC 6749 section 3.1: a log-in here, and a code for the client that asked. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const issuer = app.config.PUBLIC_URL
  const path = `${publicPath(app.config)}/authorize`
  await takeForms(app)

  // Writes nothing: the request travels in the address of the form, and is checked again when that is posted.
  app.get('/authorize', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      const { client } = authorization
      return reply.page(logInPage({ action: actionOf(request), client: client.name }, languageOf(request.headers)))
    },
  })

  app.post('/authorize', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Type.Union([PasswordForm, FactorForm]) },
    handler: async (request, reply) => {
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      try {
        const user = await prove(request.body, clientOf(request))
        const code = app.authorizationCodes.make({
          ...grantOf(authorization),
          ...{ userId: user.id, authVersion: user.authVersion, amr: user.amr ?? PASSWORD },
        })
        return goTo(reply, authorization.redirectUri, { code, state: authorization.state })
      } catch (error) {
        const form = { action: actionOf(request), client: authorization.client.name }
        return reply.page(pageAfter(toProblem(error), request.body, form, languageOf(request.headers)))
      }
    },
  })

  /** @throws Problem as LogIn does */
  function prove(form: Form, client: Client): Promise<LoggedIn> {
    if (!('ticket' in form)) return app.logIn.authenticate(form.username, form.password, client)
    const totp = readTotpCode(form.code)
    return app.logIn.complete(form.ticket, totp === undefined ? { recoveryCode: form.code } : { totp }, client)
  }

  /** The request of the address; undefined when the client has been told what is wrong with it. */
  async function read(request: FastifyRequest, reply: FastifyReply): Promise<AuthorizationRequest | undefined> {
    try {
      return await readAuthorizationRequest(request.query as Query, app.knownClients)
    } catch (error) {
      if (!(error instanceof AuthorizationError)) throw error
      const { code, message, redirectUri, state } = error
      const address = answerAddress(redirectUri, { error: code, error_description: message, state, iss: issuer })
      await reply.code(303).header('cache-control', 'no-store').redirect(address)
      return undefined
    }
  }

  function goTo(reply: FastifyReply, redirectUri: string, answer: Record<string, string | undefined>): FastifyReply {
    const address = answerAddress(redirectUri, { ...answer, iss: issuer })
    return reply.header('refresh', `0;url=${address}`).page(hopPage(address, languageOf(reply.request.headers)))
  }

  function actionOf({ url }: FastifyRequest): string {
    return `${path}${url.slice(url.indexOf('?'))}`
  }
}

export default routes

/** The form that goes on after a problem, with what is wrong. @throws the problem, if no form can mend it */
function pageAfter(problem: Problem, posted: Form, form: { action: string; client: string }, locale: Locale): Page {
  const ticket = 'ticket' in posted ? posted.ticket : problem.extension?.ticket
  if (problem.code === 'mfa_required') return factorPage({ ...form, ticket: String(ticket) }, locale)
  if (!MENDABLE.includes(problem.code)) throw problem
  const error = sentenceOf(problem, locale)
  if (problem.code === 'wrong_code') return factorPage({ ...form, ticket: String(ticket), error }, locale)
  return logInPage({ ...form, error, ...('username' in posted && { username: posted.username }) }, locale)
}

function grantOf({ client, scope, resource, redirectUri, challenge }: AuthorizationRequest) {
  const grant = { clientId: client.id, scope, redirectUri, challenge, authTime: Date.now() }
  return resource === undefined ? grant : { ...grant, resource }
}
