import swagger from '@fastify/swagger'
import plugin from 'fastify-plugin'
import type { OpenAPIV3_1 } from 'openapi-types'
import { version } from '../src/package.js'
import { Account, Login, Problem, TokenPair, User } from '../src/schemas.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The same document in OpenAPI 3.0.3, for tools that do not read 3.1. */
    openapi30: FastifyInstance['swagger']
  }
}

const DESCRIPTION = `Registers people, logs them in, and keeps each person's rows theirs alone.

**A first walk.** Call \`register\`, then press *Authorize* and log in with the same user name and password: from then on
every call here carries your access token. Try \`getMe\`, then \`createTodo\`.

Access tokens are JWTs (RFC 9068, ES256) that live for minutes and that any service verifies offline with the keys at
\`/.well-known/jwks.json\`. Errors are \`application/problem+json\` (RFC 9457) with a \`code\` that does not change.`

const TAGS = [
  { name: 'auth', description: 'Register, log in, refresh, log out.' },
  { name: 'me', description: 'Your own account.' },
  { name: 'todos', description: 'Things to do: yours, and nobody else can see them.' },
  { name: 'tutorials', description: 'Tutorials: yours, and nobody else can see them.' },
  { name: 'admin', description: 'Accounts and the audit log, for admins.' },
  { name: 'discovery', description: 'What other services and OAuth clients need to know.' },
  { name: 'health', description: 'For load balancers and orchestrators.' },
]

const document: Omit<OpenAPIV3_1.Document, 'openapi' | 'paths'> = {
  info: {
    title: 'Latchkey',
    version,
    description: DESCRIPTION,
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: '/', description: 'This service' }],
  tags: TAGS,
  security: [{ bearerAuth: [] }, { oauth2Password: [] }],
  components: {
    securitySchemes: {
      bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token.' },
      oauth2Password: {
        type: 'oauth2',
        description: 'User name or e-mail address, and password.',
        flows: { password: { tokenUrl: 'v1/token', refreshUrl: 'v1/token', scopes: {} } },
      },
    },
  },
}

/** The OpenAPI documents, made from the schemas of the routes: 3.1 and, for older tools, 3.0.3. */
export default plugin(
  async (app) => {
    const options = {
      refResolver: {
        buildLocalReference: (json: { $id?: unknown }, _baseUri: unknown, _fragment: string, index: number) =>
          typeof json.$id === 'string' ? json.$id : `def-${index}`,
      },
    }
    await app.register(swagger, { ...options, openapi: { ...document, openapi: '3.1.0' } })
    await app.register(swagger, {
      ...options,
      decorator: 'openapi30',
      openapi: { ...document, openapi: '3.0.3' },
    } as Parameters<typeof swagger>[1])
    for (const schema of [Problem, User, Account, TokenPair, Login]) app.addSchema(schema)
  },
  { name: 'openapi' },
)
