// An Express application that logs users in with Auth.js, and refreshes its tokens as the guide of Auth.js shows.
import { ExpressAuth, getSession } from '@auth/express'
import express from 'express'

const { ISSUER, SECRET, PORT } = process.env
const here = `http://127.0.0.1:${PORT}`
const scope = 'openid profile email offline_access'
const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()

/** Every read of the session refreshes the tokens. */
async function refreshed(token) {
  const fields = { grant_type: 'refresh_token', refresh_token: token.refresh_token }
  const headers = { authorization: `Basic ${btoa(`shop:${SECRET}`)}` }
  const answer = await fetch(metadata.token_endpoint, { method: 'POST', headers, body: new URLSearchParams(fields) })
  if (!answer.ok) return { ...token, error: await answer.json() }
  return { ...token, ...(await answer.json()), refreshes: (token.refreshes ?? 0) + 1 }
}

const config = {
  secret: 'a secret of the test, 32 characters',
  trustHost: true,
  providers: [
    {
      ...{ id: 'latchkey', name: 'Latchkey', type: 'oidc', issuer: ISSUER, clientId: 'shop', clientSecret: SECRET },
      ...{ checks: ['pkce', 'state', 'nonce'], idToken: false, authorization: { params: { scope } } },
    },
  ],
  callbacks: {
    jwt: ({ token, account, profile }) =>
      account === null || account === undefined ? refreshed(token) : { ...token, ...account, profile },
    session: ({ session, token }) => ({ ...session, token }),
  },
}

const app = express()
app.use('/auth', ExpressAuth(config))
app.get('/', async (request, response) => response.json({ session: await getSession(request, config) }))
app.get('/logout', async (request, response) => {
  const session = await getSession(request, config)
  const query = { id_token_hint: session.token.id_token, post_logout_redirect_uri: `${here}/` }
  response
    .clearCookie('authjs.session-token')
    .redirect(`${metadata.end_session_endpoint}?${new URLSearchParams(query)}`)
})
app.listen(Number(PORT), '127.0.0.1')
