// An Express application that logs users in with passport-openidconnect, which lacks PKCE: its client is exempt.
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import OpenIDConnectStrategy from 'passport-openidconnect'

const { ISSUER, SECRET, PORT } = process.env
const here = `http://127.0.0.1:${PORT}`
const metadata = await (await fetch(`${ISSUER}/.well-known/openid-configuration`)).json()
const options = {
  ...{ issuer: ISSUER, authorizationURL: metadata.authorization_endpoint, tokenURL: metadata.token_endpoint },
  ...{
    userInfoURL: metadata.userinfo_endpoint,
    clientID: 'shop',
    clientSecret: SECRET,
    callbackURL: `${here}/callback`,
  },
  ...{ scope: ['profile', 'email'], nonce: true },
}
const done = (_issuer, profile, _context, idToken, verified) => verified(null, { profile, idToken })

passport.use(new OpenIDConnectStrategy(options, done))
passport.serializeUser((user, next) => next(null, user))
passport.deserializeUser((user, next) => next(null, user))

const app = express()
app.use(session({ secret: 'a secret of the test', resave: false, saveUninitialized: false }), passport.session())
app.get('/', (request, response) => response.json({ user: request.user?.profile ?? null }))
app.get('/login', passport.authenticate('openidconnect'))
app.get('/callback', passport.authenticate('openidconnect', { successRedirect: '/' }))
app.get('/logout', (request, response, next) => {
  const query = { id_token_hint: request.user.idToken, post_logout_redirect_uri: `${here}/` }
  request.logout((error) =>
    error ? next(error) : response.redirect(`${metadata.end_session_endpoint}?${new URLSearchParams(query)}`),
  )
})
app.listen(Number(PORT), '127.0.0.1')
