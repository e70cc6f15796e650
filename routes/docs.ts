import { createHash } from 'node:crypto'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { etag, isFresh } from '../src/api/etags.js'
import { publicPath } from '../src/config/public-url.js'
import { sendProblem, toProblem } from '../src/http/problem-answers.js'
import { DOCS_STYLES } from '../src/pages/docs-styles.js'
import { Problem } from '../src/problems.js'

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 152 40" width="152" height="40" fill="none" stroke="#fff">
<circle cx="13" cy="20" r="7" stroke-width="4"/><path d="M20 20h17m-4 0v7m-7-7v5" stroke-width="4"/>
<text x="46" y="27" font-family="sans-serif" font-size="21" font-weight="bold" fill="#fff" stroke="none">Latchkey</text></svg>`

/** The page loads only resources of this service. Swagger UI uses inline styles. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The page calls the host that served it, not PUBLIC_URL: its Content-Security-Policy allows no other. */
const FOR_THE_PAGE = '?servers=relative'

const VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.DOCS) return

  app.setErrorHandler(answerMissing)

  // The page, its files and the documents are public, and are not operations of the API.
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true }
    route.schema = { ...route.schema, hide: true }
  })

  // Swagger UI's page has no viewport tag, which phones need.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const isPage = typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html')
    done(null, isPage ? payload.replace('<head>', `<head>${VIEWPORT}`) : payload)
  })

  const path = publicPath(app.config)
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: path,
    staticCSP: CONTENT_SECURITY_POLICY,
    uiConfig: {
      urls: [
        { name: 'Latchkey v1 (OpenAPI 3.1)', url: `${path}/openapi.json${FOR_THE_PAGE}` },
        { name: 'Latchkey v1 (OpenAPI 3.0)', url: `${path}/openapi-3.0.json${FOR_THE_PAGE}` },
        ...(app.config.COMPAT
          ? [{ name: 'The five tutorials', url: `${path}/openapi-compat.json${FOR_THE_PAGE}` }]
          : []),
      ],
      // Swagger UI would keep the password and the refresh token in localStorage.
      persistAuthorization: false,
      tryItOutEnabled: true,
      deepLinking: true,
      displayRequestDuration: true,
      displayOperationId: true,
      validatorUrl: null,
    } as Record<string, unknown>,
    theme: { title: 'Latchkey API', css: [{ filename: 'latchkey.css', content: DOCS_STYLES }] },
    logo: { type: 'image/svg+xml', content: Buffer.from(LOGO), href: `${path}/docs`, target: '_self' },
  })

  serveDocument('/openapi.json', () => app.swagger())
  serveDocument('/openapi-3.0.json', () => app.openapi30())
  if (app.config.COMPAT) serveDocument('/openapi-compat.json', () => app.openapiCompat())

  /** Serialised at the first request and cached: serialising takes milliseconds, and the document never changes. */
  function serveDocument(url: string, document: () => object): void {
    const texts = new Map<boolean, { text: string; tag: string }>()
    app.get<{ Querystring: { servers?: string } }>(url, async ({ headers, query }, reply) => {
      const isForPage = query.servers === 'relative'
      const kept =
        texts.get(isForPage) ??
        written(isForPage ? withPasswordAlone(document()) : withAddresses(document(), app.config.PUBLIC_URL))
      texts.set(isForPage, kept)
      reply.header('cache-control', 'no-cache').header('etag', kept.tag)
      if (isFresh(headers['if-none-match'], kept.tag)) return reply.code(304).send()
      return reply.type('application/json; charset=utf-8').send(kept.text)
    })
  }
}

export default routes

interface Addressed {
  security?: Record<string, unknown>[]
  servers?: { url: string }[]
  components?: { securitySchemes?: Record<string, { flows?: Record<string, Record<string, unknown>> }> }
}

/**
 * The document with the password form as the only form of the Authorize dialog. Swagger UI focuses the last form, and
 * with a second form users pressed the wrong button.
 */
function withPasswordAlone(document: object): object {
  const copy = structuredClone(document) as Addressed
  delete copy.components?.securitySchemes?.bearerAuth
  copy.security = (copy.security ?? []).filter((scheme) => !('bearerAuth' in scheme))
  return copy
}

/**
 * The document with absolute URLs, as OpenAPI 3.1 requires. The committed document has relative ones, because it cannot
 * know PUBLIC_URL.
 */
function withAddresses(document: object, publicUrl: string): object {
  const copy = structuredClone(document) as Addressed
  for (const server of copy.servers ?? []) server.url = publicUrl
  for (const { flows = {} } of Object.values(copy.components?.securitySchemes ?? {})) {
    for (const flow of Object.values(flows)) {
      for (const name of ['tokenUrl', 'refreshUrl'] as const) {
        if (typeof flow[name] === 'string') flow[name] = `${publicUrl}/${flow[name]}`
      }
    }
  }
  return copy
}

function written(document: object): { text: string; tag: string } {
  const text = JSON.stringify(document)
  return { text, tag: etag(createHash('sha256').update(text).digest('base64url')) }
}

/**
 * Answers 404 for files that the static handler refuses: a path outside of its folder is not an error of this service.
 */
function answerMissing(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isRefused = error.statusCode !== undefined && error.statusCode < 500
  return sendProblem(isRefused ? new Problem('not_found', { cause: error }) : toProblem(error), request, reply)
}
