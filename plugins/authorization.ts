import plugin from 'fastify-plugin'
import { AuthorizationCodes } from '../src/oauth/authorization-codes.js'
import { CodeGrant } from '../src/oauth/code-grant.js'
import { Consents } from '../src/oauth/consents.js'
import { IdTokens } from '../src/oauth/id-tokens.js'
import { UserClaimsReader } from '../src/oauth/user-claims.js'
import { ClientSessions } from '../src/sessions/client-sessions.js'

declare module 'fastify' {
  interface FastifyInstance {
    authorizationCodes: AuthorizationCodes
    codeGrant: CodeGrant
    consents: Consents
    idTokens: IdTokens
    userClaims: UserClaimsReader
  }
}

/** Log-in to other clients: authorization codes and their exchange. */
export default plugin(
  async (app) => {
    const { config, database, events, endings, keys, idTokenKeys, tokenPairs: pairs, secret } = app
    const codes = new AuthorizationCodes(secret)
    const sessions = new ClientSessions({ config, database, events, endings, keys, pairs, sessions: app.sessions })
    const userClaims = new UserClaimsReader(database)
    const idTokens = new IdTokens({ config, keys: idTokenKeys, claims: userClaims })
    app.decorate('userClaims', userClaims)
    app.decorate('idTokens', idTokens)
    app.decorate('consents', new Consents({ database, clients: app.knownClients, events, endings }))
    app.decorate('authorizationCodes', codes)
    app.decorate('codeGrant', new CodeGrant({ config, codes, sessions, idTokens }))
  },
  { name: 'authorization', dependencies: ['sessions', 'clients'] },
)
