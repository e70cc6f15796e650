import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { nullable, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { type Flaw, fastapiPost, loginWording, missing, passwordForm, unprocessable } from '../../src/compat/fastapi.js'
import {
  BearerToken,
  common,
  DetailError,
  json,
  passwordFormFields,
  ValidationError,
} from '../../src/compat/schemas.js'
import {
  answerErrors,
  bytesOf,
  fieldsOf,
  isIdentifier,
  isJson,
  isName,
  isText,
  parseJson,
  Refusal,
  standInFor,
} from '../../src/compat/tutorial.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import { NAME_MAX_LENGTH } from '../../src/text-lengths.js'

/** ACCESS_TOKEN_EXPIRE_MINUTES = 30 */
const LIFETIME_MS = 30 * 60_000

/** The field of the form for each problem. */
const REJECTED_FIELDS: Partial<Record<ProblemCode, string>> = {
  username_rejected: 'username',
  name_rejected: 'fullname',
  password_rejected: 'password',
}

const ALREADY_REGISTERED = new Refusal(400, { detail: 'User already registered' })

const FastapiLoginForm = Type.Object(passwordFormFields, {
  $id: 'FastapiLoginForm',
  description: 'The credentials.',
  examples: [{ username: 'dave', password: 'three quiet lanterns' }],
})
const UserCreate = Type.Object(
  { username: Type.String(), fullname: Type.Optional(nullable({})), password: Type.String() },
  {
    $id: 'UserCreate',
    description: 'A new account. Other fields are ignored.',
    examples: [{ username: 'dave', fullname: 'Full Name', password: 'three quiet lanterns' }],
  },
)
const FastapiUser = Type.Object(
  { username: Type.String(), fullname: nullable({}), id: Type.Integer({ format: 'int64' }), is_active: Type.Boolean() },
  {
    $id: 'FastapiUser',
    description: 'The account.',
    examples: [{ username: 'dave', fullname: 'Full Name', id: 3, is_active: true }],
  },
)

/** The FastAPI TODO tutorial: sign-up by JSON, log-in by an OAuth2 password form. Its GET / is in root.ts. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [FastapiLoginForm, UserCreate, FastapiUser]) app.addSchema(schema)
  for (const schema of [BearerToken, DetailError, ValidationError]) app.addSchema(schema)
  app.setErrorHandler(answerErrors('detail', loginWording))

  app.post('/users/add_user/', {
    config: { public: true, rateLimit: 'network' },
    errorHandler: answerErrors('detail', signUpWording),
    schema: {
      operationId: 'fastapiTodoAddUser',
      tags: ['fastapi-todo'],
      summary: 'Create an account',
      description: 'Creates an account. The path ends with a slash.',
      security: [],
      body: ref(UserCreate),
      response: {
        200: json('The account.', ref(FastapiUser)),
        400: json('The user name is taken.', ref(DetailError)),
        403: json('People cannot register themselves here.', ref(DetailError)),
        422: json('A field is missing, or cannot be used.', ref(ValidationError)),
        ...common(ref(DetailError)),
      },
    },
    handler: async (request): Promise<Static<typeof FastapiUser>> => {
      const { username, fullname, password } = readUser(request)
      const user = await app.registration.register({ username, name: fullname, password }, clientOf(request), {
        isTutorial: true,
      })
      return { username, fullname: user.name, id: user.id, is_active: user.isActive }
    },
  })

  app.post('/token', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'fastapiTodoLogIn',
      tags: ['fastapi-todo'],
      summary: 'Log in with a password form',
      description: 'Returns a token that is valid for 30 minutes. POST /v1/logout revokes the token earlier.',
      security: [],
      consumes: ['application/x-www-form-urlencoded', 'multipart/form-data'],
      body: ref(FastapiLoginForm),
      response: {
        200: json('The token.', ref(BearerToken)),
        400: json('The form cannot be read.', ref(DetailError)),
        401: json('The user name or the password is wrong.', ref(DetailError)),
        422: json('A field is missing.', ref(ValidationError)),
        ...common(ref(DetailError)),
      },
    },
    handler: async (request) => {
      const { username, password } = await passwordForm(request)
      if (!isIdentifier(username)) throw new Problem('invalid_credentials')
      const user = await app.logIn.authenticateExactly('username', username, password, clientOf(request))
      const access_token = await app.sessions.issueAccessToken(user, clientOf(request), LIFETIME_MS)
      return { access_token, token_type: 'bearer' }
    },
  })

  fastapiPost(app, '/users/add_user/')
  fastapiPost(app, '/token')
}

export default routes

function signUpWording({ code, message }: Problem): Refusal | undefined {
  if (code === 'username_taken') return ALREADY_REGISTERED
  const field = REJECTED_FIELDS[code]
  return field === undefined ? undefined : unprocessable([flaw('value_error', field, `Value error, ${message}`)])
}

/** The body as FastAPI and pydantic check it against UserCreate. @throws Refusal 422 */
function readUser(request: FastifyRequest): { username: string; fullname: string | undefined; password: string } {
  const fields = readObject(request)
  const { username, fullname, password } = fields
  const flaws = [
    nameFlaw('username', username),
    fullname === undefined || fullname === null || fullname === '' ? undefined : nameFlaw('fullname', fullname),
    passwordFlaw(password),
  ].filter((found) => found !== undefined)
  const isComplete = typeof username === 'string' && typeof password === 'string'
  if (!isComplete || flaws.length > 0) throw unprocessable(flaws)
  return { username, fullname: typeof fullname === 'string' ? fullname : undefined, password }
}

function readObject(request: FastifyRequest): Record<string, unknown> {
  const bytes = bytesOf(request.body)
  const isRead = request.headers['content-type'] === undefined || isJson(request)
  if (bytes.length === 0) throw unprocessable([missing('body')])
  const body = isRead ? readJson(request) : bytes
  if (body === null) throw unprocessable([missing('body')])
  const fields = isRead ? fieldsOf(body) : undefined
  if (fields === undefined) {
    const msg = 'Input should be a valid dictionary or object to extract fields from'
    throw unprocessable([{ type: 'model_attributes_type', loc: ['body'], msg, input: null }])
  }
  return fields
}

function readJson(request: FastifyRequest): unknown {
  try {
    return parseJson(request)
  } catch (error) {
    const { message } = toProblem(error).cause as Error
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? bytesOf(request.body).length)
    const ctx = { error: 'Expecting value' }
    throw unprocessable([{ type: 'json_invalid', loc: ['body', position], msg: 'JSON decode error', input: {}, ctx }])
  }
}

function nameFlaw(field: string, value: unknown): Flaw | undefined {
  if (value === undefined) return missing('body', field)
  if (typeof value !== 'string') return notString(field, value)
  if (isName(value)) return undefined
  if (value === '') return tooShort(field)
  if (!isText(value))
    return flaw('string_unicode', field, 'Input should be a valid string, unable to parse raw data as a unicode string')
  const msg = `String should have at most ${NAME_MAX_LENGTH} characters`
  return { ...flaw('string_too_long', field, msg), ctx: { max_length: NAME_MAX_LENGTH } }
}

function passwordFlaw(value: unknown): Flaw | undefined {
  if (value === undefined) return missing('body', 'password')
  if (typeof value !== 'string') return notString('password', null)
  return value === '' ? tooShort('password') : undefined
}

function notString(field: string, value: unknown): Flaw {
  // Objects are not returned: they may be nested too deeply to serialise.
  const input = typeof value === 'object' ? null : value
  return { ...flaw('string_type', field, 'Input should be a valid string'), input }
}

function tooShort(field: string): Flaw {
  return { ...flaw('string_too_short', field, 'String should have at least 1 character'), ctx: { min_length: 1 } }
}

/** FastAPI returns the invalid value; this service does not return passwords. */
function flaw(type: string, field: string, msg: string): Flaw {
  return { type, loc: ['body', field], msg, input: null }
}
