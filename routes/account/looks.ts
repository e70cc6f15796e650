import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { readLogo } from '../../src/config/brand.js'
import { hasPages } from '../../src/config/pages.js'
import { iconFor } from '../../src/pages/layout.js'
import { PASSKEY_SCRIPT } from '../../src/pages/passkey-script.js'
import { stylesFor } from '../../src/pages/styles.js'

const ONE_DAY_S = 86_400
const ONE_YEAR_S = 31_536_000

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const [styles, icon, logo] = [stylesFor(app.config), iconFor(app.config), readLogo(app.config.BRAND_LOGO)]

  app.get('/account/styles.css', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply
        .headers({
          'cache-control': `public, max-age=${ONE_YEAR_S}, immutable`,
          'content-type': 'text/css; charset=utf-8',
        })
        .send(styles),
  })

  app.get('/account/passkeys.js', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply
        .headers({
          'cache-control': `public, max-age=${ONE_YEAR_S}, immutable`,
          'content-type': 'text/javascript; charset=utf-8',
        })
        .send(PASSKEY_SCRIPT),
  })

  app.get('/account/icon.svg', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply.headers({ 'cache-control': `public, max-age=${ONE_DAY_S}`, 'content-type': 'image/svg+xml' }).send(icon),
  })

  if (logo === undefined) return
  app.get('/account/logo', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply
        .headers({
          'cache-control': `public, max-age=${ONE_YEAR_S}, immutable`,
          // Whoever opens the picture by itself opens a document of this origin: none of its scripts may run.
          'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
          'content-type': logo.type,
        })
        .send(logo.bytes),
  })
}

export default routes
