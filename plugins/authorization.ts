import plugin from 'fastify-plugin'
import { AuthorizationCodes } from '../src/oauth/authorization-codes.js'
import { CodeGrant } from '../src/oauth/code-grant.js'
import { ClientSessions } from '../src/sessions/client-sessions.js'

declare module 'fastify' {
  interface FastifyInstance {
    authorizationCodes: AuthorizationCodes
    codeGrant: CodeGrant
  }
}

/** How people log in to other clients: authorization codes, and what they are exchanged for. */
export default plugin(
  async (app) => {
    const { config, database, events, keys, tokenPairs: pairs, secret } = app
    const codes = new AuthorizationCodes(secret)
    const sessions = new ClientSessions({ config, database, events, keys, pairs, sessions: app.sessions })
    app.decorate('authorizationCodes', codes)
    app.decorate('codeGrant', new CodeGrant({ config, codes, sessions }))
  },
  { name: 'authorization', dependencies: ['sessions'] },
)
