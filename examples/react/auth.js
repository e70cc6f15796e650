import * as oauth from 'oauth4webapi'

const query = new URLSearchParams(location.search)
const LATCHKEY = query.get('latchkey') ?? sessionStorage.getItem('latchkey') ?? 'http://localhost:3000'
const REDIRECT_URI = `${location.origin}/`
const SCOPE = 'openid profile offline_access todos:read todos:write'
/** Access tokens are replaced this long before they expire, so that no token expires in flight. */
const SPARE_MS = 10_000

const client = { client_id: 'react' }
// A page cannot keep a secret. PKCE proves that the browser which exchanges the code also requested it.
const noSecret = oauth.None()
const options = { [oauth.allowInsecureRequests]: LATCHKEY.startsWith('http:') }
const issuer = new URL(LATCHKEY)
const metadata = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...options })
const server = await oauth.processDiscoveryResponse(issuer, metadata)

// sessionStorage survives a reload and belongs to one tab; docs/web-apps.md compares the places for tokens.
sessionStorage.setItem('latchkey', LATCHKEY)
const load = (name) => JSON.parse(sessionStorage.getItem(name))
const save = (name, value) => sessionStorage.setItem(name, JSON.stringify(value))

export const isLoggedIn = () => load('tokens') !== null

/** Redirects the browser to the log-in page of Latchkey, which redirects back with a code. */
export async function logIn() {
  const state = oauth.generateRandomState()
  const verifier = oauth.generateRandomCodeVerifier()
  const challenge = await oauth.calculatePKCECodeChallenge(verifier)
  save('attempt', { state, verifier })
  const request = {
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    state,
  }
  const pkce = { code_challenge: challenge, code_challenge_method: 'S256' }
  location.assign(`${server.authorization_endpoint}?${new URLSearchParams({ ...request, ...pkce })}`)
}

/** Exchanges the code in the address of the page for tokens. Does nothing if the address contains no code. */
export async function finishLogIn() {
  const attempt = load('attempt')
  if (attempt === null || !query.has('state')) return
  sessionStorage.removeItem('attempt')
  history.replaceState(null, '', REDIRECT_URI)
  const code = oauth.validateAuthResponse(server, client, query, attempt.state)
  const { verifier } = attempt
  const answer = await oauth.authorizationCodeGrantRequest(
    ...[server, client, noSecret, code, REDIRECT_URI, verifier, options],
  )
  keep(await oauth.processAuthorizationCodeResponse(server, client, answer))
}

/** Calls the API with an access token. @throws Error with the message of the problem */
export async function call(path, init = {}) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await accessToken()}` }
  const answer = await fetch(LATCHKEY + path, { ...init, headers })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.detail ?? body.title)
  return body
}

/** Revokes the session of this app, so that its tokens become invalid, and then logs the browser out of Latchkey. */
export async function logOut() {
  const { refresh_token, id_token } = load('tokens')
  sessionStorage.removeItem('tokens')
  const answer = await oauth.revocationRequest(server, client, noSecret, refresh_token, options)
  await oauth.processRevocationResponse(answer)
  const request = { id_token_hint: id_token, post_logout_redirect_uri: REDIRECT_URI }
  location.assign(`${server.end_session_endpoint}?${new URLSearchParams(request)}`)
}

let refreshing

/** The access token; a new one if it is about to expire. Concurrent calls share one refresh. */
async function accessToken() {
  const { access_token, expiresAt } = load('tokens')
  if (Date.now() < expiresAt - SPARE_MS) return access_token
  refreshing ??= refresh().finally(() => {
    refreshing = undefined
  })
  await refreshing
  return load('tokens').access_token
}

async function refresh() {
  const { refresh_token } = load('tokens')
  const answer = await oauth.refreshTokenGrantRequest(server, client, noSecret, refresh_token, options)
  try {
    keep(await oauth.processRefreshTokenResponse(server, client, answer))
  } catch (error) {
    // The session has ended. After any other error (429, 503) the session is still valid, and the next call tries
    // again.
    if (error.error !== 'invalid_grant') throw error
    await logInAgain()
  }
}

/** Leaves the page, so the promise never resolves. */
async function logInAgain() {
  sessionStorage.removeItem('tokens')
  await logIn()
  return new Promise(() => {})
}

function keep({ access_token, refresh_token, expires_in, id_token = load('tokens')?.id_token }) {
  save('tokens', { access_token, refresh_token, id_token, expiresAt: Date.now() + expires_in * 1_000 })
}
