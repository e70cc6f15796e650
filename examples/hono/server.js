import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { LATCHKEY = 'http://localhost:3000', PORT = '4000' } = process.env
// Fetched for the first token, cached, and fetched again when a token names an unknown key.
const keys = createRemoteJWKSet(new URL(`${LATCHKEY}/.well-known/jwks.json`))
const RULES = {
  issuer: LATCHKEY,
  audience: LATCHKEY,
  typ: 'at+jwt',
  algorithms: ['ES256'],
  requiredClaims: ['exp', 'sub'],
}

/** Rejects requests without a valid access token. `c.get('user')` contains the claims. */
async function authenticate(c, next) {
  const [, token = ''] = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '') ?? []
  try {
    c.set('user', (await jwtVerify(token, keys, RULES)).payload)
  } catch {
    return c.json({ error: 'invalid_token' }, 401, { 'WWW-Authenticate': 'Bearer' })
  }
  await next()
}

const app = new Hono()
app.get('/hello', authenticate, (c) => c.json({ user_id: c.get('user').sub, role: c.get('user').role }))
serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' }, () => console.log(`listening on ${PORT}`))
