import express from 'express'
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

/** Rejects requests without a valid access token. `request.user` contains the claims. */
async function authenticate(request, response, next) {
  const [, token = ''] = /^Bearer (\S+)$/i.exec(request.get('authorization') ?? '') ?? []
  try {
    request.user = (await jwtVerify(token, keys, RULES)).payload
  } catch {
    return response.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'invalid_token' })
  }
  next()
}

const app = express()
app.get('/hello', authenticate, ({ user }, response) => response.json({ user_id: user.sub, role: user.role }))
app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${PORT}`))
