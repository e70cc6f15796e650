import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import plugin from 'fastify-plugin'
import type { OpenAPIV3_1 } from 'openapi-types'
import { Account, Login, TokenPair, User } from '../src/api/account-schemas.js'
import { OAuthErrorBody } from '../src/api/oauth-answers.js'
import { Problem } from '../src/api/problem-schemas.js'
import { ownedTables } from '../src/database/owned-tables.js'
import { version } from '../src/package.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The same document in OpenAPI 3.0.3, for tools without support for 3.1. */
    openapi30: FastifyInstance['swagger']
    /** The document of the tutorial endpoints. */
    openapiCompat: FastifyInstance['swagger']
  }
}

const DESCRIPTION = `Registers users, logs them in, and keeps the data of each user private to that user.

**First steps** (the examples work as they are, in this order):

1. Open \`register\` and press *Execute*. Your user name is \`mina\`, and your password is \`three quiet lanterns\`. If the
name is taken (409), go on with the next step, or choose another name.
2. Press *Authorize* and log in with this name and password. Leave the other fields empty. This page now sends your access
token with every request, until the token expires or you close the page.
3. \`getMe\` shows your account, \`createTodo\` adds a todo, \`listTodos\` lists your todos, and \`logout\` ends the session.

**첫걸음** (예제는 고치지 않고 순서대로 실행됩니다):

1. \`register\`를 열고 *Execute*를 누르세요. 이름은 \`mina\`, 비밀번호는 \`three quiet lanterns\`입니다. 이미 있는 이름이면(409)
다음으로 넘어가거나 다른 이름을 고르세요.
2. *Authorize*를 누르고 그 이름과 비밀번호로 로그인하세요. 다른 칸은 비워 둡니다. 이제 이 페이지의 모든 호출이 액세스 토큰을
보냅니다. 토큰이 만료되거나 페이지를 닫을 때까지입니다.
3. \`getMe\`는 내가 누구인지, \`createTodo\`는 할 일 더하기, \`listTodos\`는 내 할 일 목록, \`logout\`은 끝내기입니다.

Access tokens are JWTs (RFC 9068, ES256) that are valid for a few minutes. Any service can verify them offline with the keys
at \`/.well-known/jwks.json\`. Errors are \`application/problem+json\` (RFC 9457) with a stable \`code\`.`

const TAGS = [
  { name: 'auth', description: 'Registration, log-in, refresh and log-out.' },
  { name: 'me', description: 'Your own account.' },
  { name: 'todos', description: 'Todos. Each is visible only to its owner.' },
  { name: 'tutorials', description: 'Tutorials. Each is visible only to its owner.' },
  {
    name: 'admin',
    description:
      'Administration of accounts and OAuth clients, and the audit log. An admin who changes something must have logged in within ' +
      'the last five minutes; otherwise the response is 401 `reauthentication_required`.',
  },
  { name: 'discovery', description: 'Public keys and metadata for other services and OAuth clients.' },
  { name: 'health', description: 'Health checks for load balancers and orchestrators.' },
]

const COMPAT_DESCRIPTION = `The endpoints that the clients of five published tutorials call, with exactly the same paths, bodies,
statuses and error keys. The accounts, rules and data are those of Latchkey's own API.

The examples work as they are: \`fastapiTodoAddUser\` creates \`dave\`, \`flaskTutorialsRegister\` creates
\`dana@example.com\`, and the other examples log in with these accounts.`

// The two tutorials with a sign-up come first: the examples of the others use the accounts that they create.
const COMPAT_TAGS = [
  { name: 'fastapi-todo', description: 'The FastAPI TODO application: sign-up and log-in.' },
  {
    name: 'flask-tutorials',
    description: 'The Flask tutorials API: registration, and tutorials that belong to their owner.',
  },
  { name: 'flask-smorest-login', description: 'The Flask-Smorest log-in.' },
  { name: 'flask-restful-login', description: 'The Flask-RESTful log-in, which the tutorials API also uses.' },
  { name: 'fastapi-login', description: 'The FastAPI log-in.' },
]
const compatTags = new Set<unknown>(COMPAT_TAGS.map(({ name }) => name))

type Document = Omit<OpenAPIV3_1.Document, 'openapi' | 'paths'>

const document: Document = {
  info: {
    title: 'Latchkey',
    version,
    description: DESCRIPTION,
    contact: { name: 'The operator of this service' },
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: '/', description: 'This service' }],
  tags: TAGS,
  security: [{ oauth2Password: [] }, { bearerAuth: [] }],
  components: {
    securitySchemes: {
      // First, because the page shows the schemes in this order, and users have a password before they have a token.
      oauth2Password: {
        type: 'oauth2',
        description: 'Your user name or e-mail address, and your password. Leave the other fields as they are.',
        flows: { password: { tokenUrl: 'v1/token', refreshUrl: 'v1/token', scopes: {} } },
      },
      bearerAuth: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'An access token, if you already have one.',
      },
    },
  },
}

/** OpenAPI 3.0 does not support SPDX identifiers. */
const info30 = { ...document.info, license: { name: 'MIT', url: 'https://opensource.org/license/mit' } }

const compatDocument: Document = {
  ...document,
  info: { ...document.info, title: 'Latchkey for five tutorials', description: COMPAT_DESCRIPTION },
  tags: COMPAT_TAGS,
  components: {
    securitySchemes: {
      ...document.components?.securitySchemes,
      oauth2Password: {
        type: 'oauth2',
        description: 'Your user name and your password. Leave the other fields as they are.',
        flows: { password: { tokenUrl: 'token', scopes: {} } },
      },
    },
  },
}

/** The OpenAPI documents, generated from the route schemas: 3.1 and, for older tools, 3.0.3. */
export default plugin(
  async (app) => {
    await app.register(swagger, optionsOf(app, 'swagger', { ...document, openapi: '3.1.0' }))
    await app.register(swagger, optionsOf(app, 'openapi30', { ...document, info: info30, openapi: '3.0.3' }))
    await app.register(swagger, optionsOf(app, 'openapiCompat', { ...compatDocument, openapi: '3.1.0' }))
    for (const schema of [Problem, OAuthErrorBody, User, Account, TokenPair, Login]) app.addSchema(schema)
  },
  { name: 'openapi' },
)

type Options = NonNullable<Parameters<typeof swagger>[1]>

function optionsOf(app: FastifyInstance, decorator: string, openapi: Document & { openapi: string }): Options {
  const isCompat = openapi.tags === COMPAT_TAGS
  return {
    decorator,
    openapi,
    refResolver: {
      buildLocalReference: (json: { $id?: unknown }, _baseUri: unknown, _fragment: string, index: number) =>
        typeof json.$id === 'string' ? json.$id : `def-${index}`,
    },
    transform: ({ schema, url }: { schema?: FastifySchema; url: string }) => {
      const isOfCompat = schema?.tags?.some((tag) => compatTags.has(tag)) ?? false
      return { schema: isOfCompat === isCompat ? schema : { hide: true }, url }
    },
    transformObject: ({ openapiObject }: { openapiObject: OpenAPIV3_1.Document }) =>
      isCompat
        ? inOrder(withoutOrphans(openapiObject))
        : withOwnedTags(
            withOptionalBodies(inOrder(withoutOrphans(openapiObject))),
            Object.keys(ownedTables(app.database.tables)),
          ),
  } as Options
}

/** Removes components that no operation of this document references. */
function withoutOrphans(openapi: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  const { schemas = {} } = openapi.components ?? {}
  const used = new Set<string>()
  const follow = (part: unknown) => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue
      used.add(name)
      follow(schemas[name])
    }
  }
  follow(openapi.paths)
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)))
  return { ...openapi, components: { ...openapi.components, schemas: kept } }
}

/**
 * Sorts paths and components by name, so that the document does not depend on the load order of the files in routes/.
 */
function inOrder(openapi: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  const { paths = {}, components } = openapi
  return { ...openapi, paths: sorted(paths), components: { ...components, schemas: sorted(components?.schemas ?? {}) } }
}

function sorted<Value>(named: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(named).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Marks a body without required fields as optional: @fastify/swagger marks every body as required. */
function withOptionalBodies(openapi: OpenAPIV3_1.Document): OpenAPIV3_1.Document {
  const { schemas = {} } = openapi.components ?? {}
  for (const operation of Object.values(openapi.paths ?? {}).flatMap((path) => Object.values(path ?? {}))) {
    const { requestBody } = operation as { requestBody?: OpenAPIV3_1.RequestBodyObject }
    if (requestBody === undefined) continue
    const [media] = Object.values(requestBody.content)
    const { $ref = '' } = (media?.schema ?? {}) as Partial<OpenAPIV3_1.ReferenceObject>
    const { required = [], minProperties = 0 } = schemas[$ref.slice($ref.lastIndexOf('/') + 1)] ?? {}
    requestBody.required = required.length > 0 || minProperties > 0
  }
  return openapi
}

/** Adds a tag for each owned table that has no description. */
function withOwnedTags(openapi: OpenAPIV3_1.Document, names: string[]): OpenAPIV3_1.Document {
  const { tags = [] } = openapi
  const others = names.filter((name) => !tags.some((tag) => tag.name === name))
  return {
    ...openapi,
    tags: [
      ...tags,
      ...others.map((name) => ({ name, description: `Your ${name}. Each is visible only to its owner.` })),
    ],
  }
}
