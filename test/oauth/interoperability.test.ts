// On SQLite alone: how clients use the protocol; code-flow.test.ts runs on both.

import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import t, { type Test } from 'tap'
import type { Registration } from '../../src/clients/registration.js'
import { startService } from '../helper.js'
import { registerClient } from '../support/oauth.js'
import { freePort } from '../support/postgres-server.js'
import { answerOf, cookieOf, FORM } from './shop.js'

t.setTimeout(120_000)

const BACK = 'http://127.0.0.1:9/callback'
const HOME = 'http://127.0.0.1:9/bye'
const SCOPE = 'openid profile email offline_access'
const PLAIN = { [oauth.allowInsecureRequests]: true }

t.test('openid-client: discovery, log-in, tokens with their signatures, UserInfo, refresh, log-out', async (t) => {
  for (const registration of [
    { token_endpoint_auth_method: 'client_secret_basic' },
    { token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'ES256' },
  ] as Partial<Registration>[]) {
    const { issuer, secret, visit } = await start(t, registration)
    const isPublic = registration.token_endpoint_auth_method === 'none'
    const metadata = { id_token_signed_response_alg: registration.id_token_signed_response_alg ?? 'RS256' }
    const authentication = isPublic ? client.None() : client.ClientSecretBasic(secret)
    const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] }
    const config = await client.discovery(new URL(issuer), 'shop', metadata, authentication, options)
    const [pkceCodeVerifier, expectedState, expectedNonce] = [
      client.randomPKCECodeVerifier(),
      client.randomState(),
      client.randomNonce(),
    ]
    const to = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: BACK, scope: SCOPE, state: expectedState, nonce: expectedNonce, max_age: '600' },
      ...{ code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256' },
    })
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 600, idTokenExpected: true }
    const tokens = await client.authorizationCodeGrant(config, await visit(to), checks)
    const claims = tokens.claims()
    t.match(claims, { iss: issuer, aud: 'shop', preferred_username: 'mina', amr: ['pwd'] })
    t.match(await client.fetchUserInfo(config, tokens.access_token, String(claims?.sub)), {
      preferred_username: 'mina',
    })
    const again = await client.refreshTokenGrant(config, String(tokens.refresh_token))
    t.equal(again.claims()?.sub, claims?.sub)
    await t.rejects(
      client.authorizationCodeGrant(config, await visit(to, 'wrong'), checks),
      'a code is bound to its state',
    )
    const out = client.buildEndSessionUrl(config, {
      id_token_hint: String(again.id_token),
      post_logout_redirect_uri: HOME,
      state: 'x',
    })
    t.equal((await visit(out)).href, `${HOME}?state=x`)
    await client.tokenRevocation(config, String(again.refresh_token))
    await t.rejects(client.refreshTokenGrant(config, String(again.refresh_token)), 'the refresh token was revoked')
  }
})

t.test('oauth4webapi: discovery, log-in, id_token signature, UserInfo, refresh, silent log-in, log-out', async (t) => {
  const { issuer, secret, visit } = await start(t, {})
  const url = new URL(issuer)
  const server = await oauth.processDiscoveryResponse(
    url,
    await oauth.discoveryRequest(url, { algorithm: 'oidc', ...PLAIN }),
  )
  const shop = { client_id: 'shop' }
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
  ]
  const to = new URL(String(server.authorization_endpoint))
  const query = {
    ...{ client_id: 'shop', redirect_uri: BACK, response_type: 'code', scope: SCOPE, state, nonce },
    ...{ code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
  }
  for (const [name, value] of Object.entries(query)) to.searchParams.set(name, value)
  const parameters = oauth.validateAuthResponse(server, shop, await visit(to), state)
  const authentication = oauth.ClientSecretBasic(secret)
  const answer = await oauth.authorizationCodeGrantRequest(
    server,
    shop,
    authentication,
    parameters,
    BACK,
    verifier,
    PLAIN,
  )
  const tokens = await oauth.processAuthorizationCodeResponse(server, shop, answer, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(server, answer, PLAIN)
  const sub = String(oauth.getValidatedIdTokenClaims(tokens)?.sub)
  const info = await oauth.userInfoRequest(server, shop, tokens.access_token, PLAIN)
  t.match(await oauth.processUserInfoResponse(server, shop, sub, info), { sub, preferred_username: 'mina' })
  const refreshed = await oauth.refreshTokenGrantRequest(
    server,
    shop,
    authentication,
    String(tokens.refresh_token),
    PLAIN,
  )
  const again = await oauth.processRefreshTokenResponse(server, shop, refreshed)
  t.equal(oauth.getValidatedIdTokenClaims(again)?.sub, sub)
  const silent = new URL(to)
  silent.searchParams.set('prompt', 'none')
  t.ok((await visit(silent)).searchParams.get('code'), 'with prompt=none a user who is logged in is not asked')
  const out = new URL(String(server.end_session_endpoint))
  out.search = new URLSearchParams({ id_token_hint: String(again.id_token), post_logout_redirect_uri: HOME }).toString()
  t.equal((await visit(out)).href, HOME)
  t.equal((await visit(silent)).searchParams.get('error'), 'login_required')
})

t.test('openid-client and oauth4webapi refuse the nonce and the state of another log-in', async (t) => {
  const { issuer, secret, visit, countExchanges } = await start(t, {})
  const url = new URL(issuer)
  const options = { execute: [client.allowInsecureRequests] }
  const config = await client.discovery(url, 'shop', {}, client.ClientSecretBasic(secret), options)
  const discovered = await oauth.discoveryRequest(url, { algorithm: 'oidc', ...PLAIN })
  const server = await oauth.processDiscoveryResponse(url, discovered)
  const shop = { client_id: 'shop' }
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  // All log-ins use the same challenge: the server has no reason to reject a swapped code, so the client must.
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier)
  const begin = (state: string, nonce?: string) => {
    const query = { redirect_uri: BACK, scope: SCOPE, state, ...(nonce !== undefined && { nonce }) }
    return visit(client.buildAuthorizationUrl(config, { ...query, code_challenge, code_challenge_method: 'S256' }))
  }
  const libraries = {
    'openid-client': async (answer: URL, expectedState: string, expectedNonce?: string) => {
      const nonce = expectedNonce === undefined ? {} : { expectedNonce }
      const checks = { pkceCodeVerifier, expectedState, ...nonce, idTokenExpected: true }
      return (await client.authorizationCodeGrant(config, answer, checks)).claims()?.nonce
    },
    oauth4webapi: async (answer: URL, expectedState: string, expectedNonce?: string) => {
      const parameters = oauth.validateAuthResponse(server, shop, answer, expectedState)
      const basic = oauth.ClientSecretBasic(secret)
      const code = [parameters, BACK, pkceCodeVerifier, PLAIN] as const
      const response = await oauth.authorizationCodeGrantRequest(server, shop, basic, ...code)
      const nonce = expectedNonce === undefined ? {} : { expectedNonce }
      const expected = { ...nonce, requireIdToken: true }
      const tokens = await oauth.processAuthorizationCodeResponse(server, shop, response, expected)
      return oauth.getValidatedIdTokenClaims(tokens)?.nonce
    },
  }
  for (const [name, redeem] of Object.entries(libraries)) {
    t.equal(await redeem(await begin('mine', 'my nonce'), 'mine', 'my nonce'), 'my nonce', name)
    t.equal(await redeem(await begin('mine'), 'mine'), undefined, `${name}, without a nonce`)
    for (const [sent, expected] of [
      ['the nonce of another log-in', 'my nonce'],
      ['a nonce that nobody asked for', undefined],
      [undefined, 'my nonce'],
    ]) {
      const before = countExchanges()
      t.match(
        await refusalOf(redeem(await begin('mine', sent), 'mine', expected)),
        /nonce/,
        `${name}: ${sent ?? 'no nonce'}`,
      )
      t.equal(countExchanges(), before + 1, 'the code was exchanged, and the id_token was rejected')
    }
    const before = countExchanges()
    const other = await begin('of another log-in', 'my nonce')
    t.match(await refusalOf(redeem(other, 'mine', 'my nonce')), /state/, `${name}: another state`)
    const none = new URL(other)
    none.searchParams.delete('state')
    t.match(await refusalOf(redeem(none, 'mine', 'my nonce')), /state/, `${name}: no state`)
    const mixed = new URL(other)
    mixed.searchParams.set('iss', 'https://evil.example')
    t.match(
      await refusalOf(redeem(mixed, 'of another log-in', 'my nonce')),
      /iss/,
      `${name}: the answer of another issuer`,
    )
    t.equal(countExchanges(), before, 'the code was not exchanged')
  }
})

/** The error of a library, with the messages of its causes. */
async function refusalOf(answer: Promise<unknown>): Promise<string> {
  const reasons: string[] = []
  const error: unknown = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  for (let one = error; one instanceof Error; one = one.cause) reasons.push(one.message)
  return reasons.join(': ')
}

/** A service on a socket, a client, and a browser in which mina logs in when asked. */
async function start(t: Test, registration: Partial<Registration>) {
  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const service = await startService(t, { PUBLIC_URL: issuer })
  await service.app.listen({ host: 'localhost', port })
  await service.signUp('mina')
  const { secret } = await registerClient(service, 'shop', {
    ...{ redirect_uris: [BACK], post_logout_redirect_uris: [HOME], scope: SCOPE, first_party: true },
    ...{ grant_types: ['authorization_code', 'refresh_token'], ...registration },
  })
  let cookie = ''
  /** The address that a request redirects to. `state` replaces the state, as in a forged response. */
  const visit = async (to: URL, state?: string): Promise<URL> => {
    const page = await fetch(to, { headers: { cookie }, redirect: 'manual' })
    const location = page.headers.get('location') ?? (await logIn(to))
    const back = new URL(location)
    if (state !== undefined) back.searchParams.set('state', state)
    return back
  }
  const logIn = async (to: URL): Promise<string> => {
    const payload = new URLSearchParams({ username: 'mina', password: 'three quiet lanterns' }).toString()
    const headers = { ...FORM, 'sec-fetch-site': 'same-origin' }
    const answer = await service.app.inject({ method: 'POST', url: `${to.pathname}${to.search}`, headers, payload })
    cookie = cookieOf(answer)
    const { to: address, ...query } = answerOf(answer)
    return `${address}?${new URLSearchParams(query)}`
  }
  let exchanges = 0
  service.app.server.on('request', ({ url }) => {
    if (url === '/v1/token') exchanges += 1
  })
  return { issuer, secret, visit, countExchanges: () => exchanges }
}
