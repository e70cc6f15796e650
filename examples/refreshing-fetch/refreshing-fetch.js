const TRIES = 3
const PAUSE_MS = 500

/**
 * A fetch that sends the access token. After a 401 it refreshes the session and repeats the call once.
 * @param {string} latchkey the address of Latchkey
 * @param {{ get(): Tokens | null, set(tokens: Tokens | null): void }} store keeps the tokens; null after the log-out
 * @param {string[]} apis the origins that receive the token besides Latchkey: no other server may see the token
 * @typedef {{ access_token: string, refresh_token: string }} Tokens
 * @returns {typeof fetch}
 */
export function refreshingFetch(latchkey, store, apis = []) {
  const origins = [latchkey, ...apis].map((address) => new URL(address).origin)
  /** @type {Promise<unknown>} */
  let last = Promise.resolve()

  return async function fetchWithToken(input, init) {
    const request = new Request(input, init)
    const token = store.get()?.access_token
    if (!token || !origins.includes(new URL(request.url).origin)) return fetch(request)
    // A body can be read only once, so the request is copied before it is sent.
    const again = request.clone()
    const answer = await send(request, token)
    if (answer.status !== 401 || (await codeOf(answer.clone())) === 'invalid_credentials') return answer
    const next = await oneAtATime(() => refresh(token))
    return next ? send(again, next) : answer
  }

  /** Resolves to an access token newer than this one; undefined if there is none. */
  async function refresh(/** @type {string} */ stale) {
    const tokens = store.get()
    // Another call or another tab has refreshed already, or the user has logged out.
    if (tokens?.access_token !== stale) return tokens?.access_token
    const { status, body } = await askForTokens(tokens.refresh_token)
    if (status === 200) store.set(body)
    // The session has ended. After any other error (429, 503) the session is still valid, and a later call tries again.
    else if (body.code === 'invalid_grant') store.set(null)
    return status === 200 ? body.access_token : undefined
  }

  /** Repeats a request whose response was lost: for ten seconds, the same refresh token gets the same response. */
  async function askForTokens(/** @type {string} */ refresh_token, triesLeft = TRIES) {
    const headers = { 'content-type': 'application/json' }
    try {
      const answer = await fetch(`${latchkey}/v1/refresh`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ refresh_token }),
      })
      return { status: answer.status, body: await answer.json() }
    } catch (error) {
      if (triesLeft <= 1) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      return askForTokens(refresh_token, triesLeft - 1)
    }
  }

  /** Across all tabs if the browser supports locks (https and localhost), otherwise in this tab only. */
  function oneAtATime(/** @type {() => Promise<string | undefined>} */ work) {
    if (globalThis.navigator?.locks) return navigator.locks.request('latchkey-refresh', work)
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}

function send(/** @type {Request} */ request, /** @type {string} */ token) {
  const headers = new Headers(request.headers)
  headers.set('authorization', `Bearer ${token}`)
  return fetch(new Request(request, { headers }))
}

async function codeOf(/** @type {Response} */ answer) {
  return answer.json().then(
    ({ code }) => code,
    () => undefined,
  )
}
