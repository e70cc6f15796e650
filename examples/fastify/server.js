import Fastify from 'fastify'
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

const app = Fastify()
app.decorateRequest('user', null)

/** Rejects requests without a valid access token. `request.user` contains the claims. */
async function authenticate(request, reply) {
  const [, token = ''] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  try {
    request.user = (await jwtVerify(token, keys, RULES)).payload
  } catch {
    return reply.code(401).header('WWW-Authenticate', 'Bearer').send({ error: 'invalid_token' })
  }
}

app.get('/hello', { preHandler: authenticate }, async ({ user }) => ({ user_id: user.sub, role: user.role }))
await app.listen({ port: Number(PORT), host: '127.0.0.1' })
console.log(`listening on ${PORT}`)
