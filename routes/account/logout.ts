import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { queryOf } from '../../src/http/request-target.js'
import { answerAddress, withoutEmpty } from '../../src/oauth/authorization-request.js'
import { HINT_MAX_LENGTH, type IdTokenHint } from '../../src/oauth/id-tokens.js'
import { redirectToGet, takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { loggedOutPage, logOutPage } from '../../src/pages/log-out-page.js'
import { isOwnForm } from '../../src/pages/same-origin.js'
import { Problem } from '../../src/problems.js'

/** OpenID Connect RP-Initiated Logout 1.0, section 2. */
const Query = Type.Object({
  id_token_hint: Type.Optional(Type.String({ maxLength: HINT_MAX_LENGTH })),
  client_id: Type.Optional(Type.String({ maxLength: 128 })),
  post_logout_redirect_uri: Type.Optional(Type.String({ maxLength: 512 })),
  state: Type.Optional(Type.String({ maxLength: 2_048 })),
  ui_locales: Type.Optional(Type.String({ maxLength: 256 })),
})
type Query = Static<typeof Query>
const Form = Type.Object({ deed: Type.Literal('log_out') })

/**
 * The end session endpoint. A client that sends an id_token of the logged-in user logs the user out; everyone else is
 * asked first.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const site = { path: publicPath(app.config) }
  const path = `${site.path}/account/logout`
  const toGet = redirectToGet(path)
  await takeForms(app)

  app.get('/account/logout', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Query },
    handler: async (request, reply) => {
      const { headers } = request
      const query = withoutEmpty(request.query)
      const hint = hintIn(query)
      const address = await addressAfter(query, hint)
      const session = await app.browserSessions.find(headers.cookie, clientOf(request))
      const isSentByClient = hint !== undefined && (session === undefined || hint.sub === String(session.userId))
      const locale = pageLanguage(request)
      if (!isSentByClient && session !== undefined)
        return reply.page(logOutPage(`${path}${queryOf(request.url)}`, locale), locale)
      await end(request, reply)
      if (!isSentByClient || address === undefined) return reply.page(loggedOutPage(address, site, locale), locale)
      return reply.redirect(address, 303)
    },
  })

  app.post('/account/logout', {
    config: { public: true, page: true, foreignForms: true, rateLimit: 'network' },
    // A client may also post its request, from its own site.
    preValidation: async (request, reply) => {
      const { deed } = (request.body ?? {}) as { deed?: unknown }
      if (deed === undefined) return toGet(request, reply)
      if (!isOwnForm(request.headers, app.config, { isLoggedIn: true })) throw new Problem('foreign_form')
      return undefined
    },
    schema: { querystring: Query, body: Form },
    handler: async (request, reply) => {
      const query = withoutEmpty(request.query)
      const address = await addressAfter(query, hintIn(query))
      await end(request, reply)
      const locale = pageLanguage(request)
      if (address !== undefined) reply.header('refresh', `0;url=${address}`)
      return reply.page(loggedOutPage(address, site, locale), locale)
    },
  })

  /** The content of id_token_hint; undefined if the token is not from this service, or was issued to another client. */
  function hintIn({ id_token_hint: hint, client_id: clientId }: Query): IdTokenHint | undefined {
    const named = hint === undefined ? undefined : app.idTokens.readHint(hint)
    return clientId === undefined || clientId === named?.aud ? named : undefined
  }

  /** The address to return to. @throws Problem redirect_uri_unknown if the client has not registered it */
  async function addressAfter(query: Query, hint: { aud: string } | undefined): Promise<string | undefined> {
    const { post_logout_redirect_uri: uri, client_id: clientId, state } = query
    if (uri === undefined) return undefined
    const id = hint?.aud ?? clientId
    const client = id === undefined ? undefined : await app.knownClients.lookUp(id)
    if (client?.isActive !== true || !client.postLogoutRedirectUris.includes(uri)) {
      throw new Problem('redirect_uri_unknown')
    }
    return state === undefined ? uri : answerAddress(uri, { state })
  }

  async function end(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.header('set-cookie', await app.browserSessions.end(request.headers.cookie, clientOf(request)))
  }
}

export default routes
