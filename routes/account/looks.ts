import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { readLogo } from '../../src/config/brand.js'
import { hasPages } from '../../src/config/pages.js'
import { iconFor } from '../../src/pages/layout.js'
import { PAGE_SCRIPT } from '../../src/pages/page-script.js'
import { stylesFor } from '../../src/pages/styles.js'

const ONE_DAY_S = 86_400
/** The address of each file contains its version. */
const FOR_EVER = 'public, max-age=31536000, immutable'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const [styles, icon, logo] = [stylesFor(app.config), iconFor(app.config), readLogo(app.config.BRAND_LOGO)]

  serve('styles.css', styles, { type: 'text/css; charset=utf-8' })
  serve('script.js', PAGE_SCRIPT, { type: 'text/javascript; charset=utf-8' })
  serve('icon.svg', icon, { type: 'image/svg+xml', cacheControl: `public, max-age=${ONE_DAY_S}` })
  // A user who opens an SVG on its own opens a document of this origin: its scripts must not run.
  const policy = { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox" }
  if (logo !== undefined) serve('logo', logo.bytes, { type: logo.type, headers: policy })

  function serve(name: string, body: string | Buffer, { type, cacheControl = FOR_EVER, headers = {} }: Served): void {
    const sent = { ...headers, 'cache-control': cacheControl, 'content-type': type }
    app.get(`/account/${name}`, {
      config: { public: true },
      schema: { hide: true },
      handler: (_request, reply) => reply.headers(sent).send(body),
    })
  }
}

interface Served {
  type: string
  cacheControl?: string
  headers?: Record<string, string>
}

export default routes
