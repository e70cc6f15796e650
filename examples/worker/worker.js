// A service that calls another service as itself: client credentials (RFC 6749, 4.4). No user logs in, and there is no
// refresh token.
const { LATCHKEY = 'http://localhost:3000', CLIENT_ID, CLIENT_SECRET, SCOPE = 'users:read' } = process.env
/** Tokens are replaced this long before they expire, so that no token expires in flight. */
const SPARE_MS = 30_000

let token = { text: '', expiresAt: 0 }

/** The access token; a new one if it is about to expire. */
async function accessToken() {
  if (Date.now() < token.expiresAt - SPARE_MS) return token.text
  const answer = await fetch(`${LATCHKEY}/v1/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: SCOPE }),
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(`no token: ${body.error} ${body.error_description ?? ''}`)
  token = { text: body.access_token, expiresAt: Date.now() + body.expires_in * 1_000 }
  return token.text
}

const answer = await fetch(`${LATCHKEY}/v1/users`, { headers: { authorization: `Bearer ${await accessToken()}` } })
const { items, title } = await answer.json()
if (!answer.ok) throw new Error(`${answer.status} ${title}`)
for (const { id, username, email } of items) console.log(id, username ?? email)
