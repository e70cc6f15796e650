import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 152 40" width="152" height="40" fill="none" stroke="#fff">
<circle cx="13" cy="20" r="7" stroke-width="4"/><path d="M20 20h17m-4 0v7m-7-7v5" stroke-width="4"/>
<text x="46" y="27" font-family="sans-serif" font-size="21" font-weight="bold" fill="#fff" stroke="none">Latchkey</text></svg>`

/** The page loads what this service sends and nothing else. The styles are those that Swagger UI writes into its tags. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.DOCS) return

  // The page, its parts and the documents are for everybody, and no operations of the API.
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true }
    route.schema = { ...route.schema, hide: true }
  })

  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    uiConfig: {
      urls: [
        { name: 'Latchkey v1 (OpenAPI 3.1)', url: '/openapi.json' },
        { name: 'Latchkey v1 (OpenAPI 3.0)', url: '/openapi-3.0.json' },
        ...(app.config.COMPAT ? [{ name: 'The five tutorials', url: '/openapi-compat.json' }] : []),
      ],
      // Swagger UI would keep the password and the refresh token in localStorage.
      persistAuthorization: false,
      tryItOutEnabled: true,
      deepLinking: true,
      displayRequestDuration: true,
      displayOperationId: true,
      validatorUrl: null,
    } as Record<string, unknown>,
    theme: { title: 'Latchkey' },
    logo: { type: 'image/svg+xml', content: Buffer.from(LOGO), href: '/docs', target: '_self' },
  })

  app.get('/openapi.json', async () => app.swagger())
  app.get('/openapi-3.0.json', async () => app.openapi30())
  if (app.config.COMPAT) app.get('/openapi-compat.json', async () => app.openapiCompat())
}

export default routes
