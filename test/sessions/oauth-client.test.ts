import { createServer } from 'node:net'
import { createRemoteJWKSet, jwtVerify, customFetch as keysFetch } from 'jose'
import * as oauth from 'oauth4webapi'
import t, { type Test } from 'tap'
import { PASSWORD } from '../helper.js'
import { type Listening, startListening } from '../support/listening.js'

// Uses an OAuth 2 library that only knows the address of Latchkey.

const client: oauth.Client = { client_id: 'a-first-party-app' }

t.test('an OAuth client discovers the endpoints, logs in with a password, and refreshes', async (t) => {
  const { service, issuer, options, fetch } = await startIssuer(t)
  const mina = await service.signUp('mina')
  const server = await discover(issuer, options)
  t.match(server, {
    issuer,
    token_endpoint: `${issuer}/v1/token`,
    grant_types_supported: ['password', 'client_credentials', 'refresh_token'],
  })

  const tokens = await logIn(server, options, PASSWORD)
  t.equal(tokens.token_type, 'bearer')
  t.equal(tokens.expires_in, 600)
  const refreshed = await oauth.processRefreshTokenResponse(
    server,
    client,
    await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token ?? '', options),
  )
  t.not(refreshed.access_token, tokens.access_token)

  // Verifies the token as another service would: it knows the issuer, and fetches the keys.
  const keys = createRemoteJWKSet(new URL(server.jwks_uri ?? ''), { [keysFetch]: fetch })
  const rules = {
    issuer,
    audience: issuer,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    requiredClaims: ['sub', 'exp', 'jti'],
  }
  const { payload } = await jwtVerify(refreshed.access_token, keys, rules)
  t.match(payload, { sub: String(mina.id), role: 'user' })
  const [header, , signature] = refreshed.access_token.split('.')
  const claims = Buffer.from(JSON.stringify({ ...payload, role: 'admin' })).toString('base64url')
  await t.rejects(jwtVerify(`${header}.${claims}.${signature}`, keys, rules), {
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  })
  await t.rejects(jwtVerify(refreshed.access_token, keys, { ...rules, audience: 'https://other.example' }), {
    code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
  })

  const me = await oauth.protectedResourceRequest(
    refreshed.access_token,
    'GET',
    new URL(`${issuer}/v1/me`),
    undefined,
    undefined,
    options,
  )
  t.match(await me.json(), { id: mina.id, username: 'mina' })
  t.ok(service.contract.checked >= 6, `${service.contract.checked} answers were checked against the document`)
})

t.test('an OAuth library reads rejections as OAuth 2 errors', async (t) => {
  const { service, issuer, options } = await startIssuer(t)
  await service.signUp('mina')
  const server = await discover(issuer, options)
  t.match(await refusal(logIn(server, options, 'wrong')), { error: 'invalid_grant', status: 400 })
  const stale = oauth.refreshTokenGrantRequest(server, client, oauth.None(), 'lkr_nothing', options)
  t.match(await refusal(stale.then((answer) => oauth.processRefreshTokenResponse(server, client, answer))), {
    error: 'invalid_grant',
    status: 400,
  })
  const withSecret = oauth.ClientSecretBasic('a secret')
  const asClient = oauth.clientCredentialsGrantRequest(server, client, withSecret, {}, options)
  t.match(await refusal(asClient.then((answer) => oauth.processClientCredentialsResponse(server, client, answer))), {
    code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
    cause: [{ scheme: 'basic' }],
    status: 401,
  })
  const me = new URL(`${issuer}/v1/me`)
  const asNobody = oauth.protectedResourceRequest('no.good.token', 'GET', me, undefined, undefined, options)
  t.match(await refusal(asNobody), {
    code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
    cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
    status: 401,
  })
})

/** The reason that a promise is rejected with. */
function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('It was not refused'),
    (error: unknown) => error,
  )
}

interface Options {
  [oauth.allowInsecureRequests]: true
  [oauth.customFetch]: (url: string, init: object) => Promise<Response>
}

/** A service whose PUBLIC_URL is its actual address. */
async function startIssuer(t: Test): Promise<Listening & { issuer: string; options: Options }> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const listening = await startListening(t, { PORT: String(port), PUBLIC_URL: issuer })
  const options: Options = {
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (url, init) => listening.fetch(url, init),
  }
  return { ...listening, issuer, options }
}

async function discover(issuer: string, options: Options): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...options, algorithm: 'oauth2' }))
}

async function logIn(server: oauth.AuthorizationServer, options: Options, password: string) {
  const parameters = { username: 'mina', password }
  const auth = oauth.None()
  const response = await oauth.genericTokenEndpointRequest(server, client, auth, 'password', parameters, options)
  return oauth.processGenericTokenEndpointResponse(server, client, response)
}

function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
