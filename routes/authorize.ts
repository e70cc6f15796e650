import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientOf } from '../src/audit/requester.js'
import { hasPages } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { toProblem } from '../src/http/problem-answers.js'
import {
  AuthorizationError,
  type AuthorizationRequest,
  answerAddress,
  type Query,
  readAuthorizationRequest,
} from '../src/oauth/authorization-request.js'
import { flowOf, waysOutOf } from '../src/pages/flow.js'
import { takeForms } from '../src/pages/form-bodies.js'
import { languageOf } from '../src/pages/languages.js'
import { hopPage, logInPage } from '../src/pages/log-in-page.js'
import { LogInForm, logInPageAfter, proveBy } from '../src/pages/log-in-steps.js'
import type { BrowserSession } from '../src/sessions/browser-sessions.js'

/** The authorization endpoint of RFC 6749 section 3.1: a log-in here, and a code for the client that asked. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const issuer = app.config.PUBLIC_URL
  const path = `${publicPath(app.config)}/authorize`
  await takeForms(app)

  // Writes no row: the request travels in the address of the form, and is checked again when that is posted.
  app.get('/authorize', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      const session = await app.browserSessions.find(request.headers.cookie, clientOf(request))
      if (session === undefined) {
        return reply.page(logInPage(formOf(request, authorization), languageOf(request.headers)))
      }
      const address = answerTo(authorization, session)
      return reply.code(303).header('cache-control', 'no-store').redirect(address)
    },
  })

  app.post('/authorize', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: LogInForm },
    handler: async (request, reply) => {
      const authorization = await read(request, reply)
      if (authorization === undefined) return reply
      const client = clientOf(request)
      try {
        const user = await proveBy(request.body, app.logIn, client)
        const device = { cookie: request.headers.cookie, isShared: request.body.shared !== undefined }
        const { session, setCookie } = await app.browserSessions.begin(user, device, client)
        reply.header('set-cookie', setCookie)
        return hop(reply, answerTo(authorization, session))
      } catch (error) {
        const form = formOf(request, authorization)
        return reply.page(
          logInPageAfter(toProblem(error), request.body, { ...form, locale: languageOf(request.headers) }),
        )
      }
    },
  })

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

  /** The way back to the client, with a code. */
  function answerTo(authorization: AuthorizationRequest, session: BrowserSession): string {
    const { client, scope, resource, redirectUri, challenge, state, nonce } = authorization
    const { id: parentId, userId, authVersion, amr, authTime } = session
    const code = app.authorizationCodes.make({
      ...{ clientId: client.id, scope, redirectUri, challenge, ...(resource !== undefined && { resource }) },
      ...(nonce !== undefined && { nonce }),
      ...{ parentId, userId, authVersion, amr, authTime },
    })
    return answerAddress(redirectUri, { code, state, iss: issuer })
  }

  function hop(reply: FastifyReply, address: string): FastifyReply {
    return reply.header('refresh', `0;url=${address}`).page(hopPage(address, languageOf(reply.request.headers)))
  }

  function formOf(request: FastifyRequest, { client }: AuthorizationRequest) {
    const flow = flowOf(request)
    return { action: `${path}${flow}`, client: client.name, waysOut: waysOutOf(app, flow) }
  }
}

export default routes
