import type { FastifyInstance, FastifyRequest } from 'fastify'
import { publicPath } from '../config/public-url.js'
import { Problem } from '../problems.js'
import { bytesOf, Refusal, refuseOtherMethods, type Wording } from './tutorial.js'

/** A Host header that is safe to put into a Location header. */
const HOST = /^[\w.-]+(:\d+)?$|^\[[\da-f:.]+\](:\d+)?$/i

/** A validation error, as pydantic 2 formats it. */
export interface Flaw {
  type: string
  loc: (string | number)[]
  msg: string
  input: unknown
  ctx?: object
}

export const missing = (...loc: string[]): Flaw => ({ type: 'missing', loc, msg: 'Field required', input: null })

/** The 422 response with these errors. */
export function unprocessable(flaws: Flaw[]): Refusal {
  return new Refusal(422, { detail: flaws })
}

const WRONG_CREDENTIALS = new Refusal(
  401,
  { detail: 'Incorrect username or password' },
  { 'www-authenticate': 'Bearer' },
)
const UNREADABLE = new Refusal(400, { detail: 'There was an error parsing the body' })

/**
 * How both FastAPI tutorials answer a failed log-in. A password that cannot be hashed, such as one with NUL, counts as
 * a wrong password.
 */
export const loginWording: Wording = ({ code }) => {
  if (code === 'invalid_credentials' || code === 'password_rejected') return WRONG_CREDENTIALS
  return code === 'malformed_body' ? UNREADABLE : undefined
}

/**
 * The fields of FastAPI's OAuth2PasswordRequestForm, from either kind of form. Any other body counts as empty.
 * @throws Refusal 422, Problem malformed_body
 */
export async function passwordForm(request: FastifyRequest): Promise<{ username: string; password: string }> {
  const form = await readForm(request)
  const read = (name: string) => {
    const value = form.getAll(name).at(-1)
    return typeof value === 'string' ? value : undefined
  }
  const [grantType, username, password] = [read('grant_type'), read('username'), read('password')]
  const flaws: Flaw[] = []
  if (grantType && grantType !== 'password') flaws.push(wrongGrantType(grantType))
  if (username === undefined) flaws.push(missing('body', 'username'))
  if (password === undefined) flaws.push(missing('body', 'password'))
  if (username === undefined || password === undefined || flaws.length > 0) throw unprocessable(flaws)
  return { username, password }
}

async function readForm({ headers, body }: FastifyRequest): Promise<{ getAll(name: string): unknown[] }> {
  const type = headers['content-type'] ?? ''
  const bytes = bytesOf(body)
  if (/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return new URLSearchParams(bytes.toString())
  if (!/^multipart\/form-data\s*;/i.test(type)) return new URLSearchParams()
  try {
    return await new Response(bytes, { headers: { 'content-type': type } }).formData()
  } catch (cause) {
    throw new Problem('malformed_body', { cause })
  }
}

function wrongGrantType(input: string): Flaw {
  return {
    type: 'string_pattern_mismatch',
    loc: ['body', 'grant_type'],
    msg: "String should match pattern '^password$'",
    input,
    ctx: { pattern: '^password$' },
  }
}

/**
 * Like Starlette's router, answers 405 to other methods than POST, and redirects from the same path with a trailing
 * slash added or removed.
 */
export function fastapiPost(app: FastifyInstance, url: string): void {
  refuseOtherMethods(app, url, ['POST'], new Refusal(405, { detail: 'Method Not Allowed' }, { allow: 'POST' }))
  const twin = url.endsWith('/') ? url.slice(0, -1) : `${url}/`
  app.post(twin, {
    config: { public: true },
    schema: { hide: true },
    onRequest: async (request, reply) => {
      const query = /\?.*$/.exec(request.url)?.[0] ?? ''
      const isSound = /^https?$/.test(request.protocol) && HOST.test(request.host)
      const origin = isSound ? `${request.protocol}://${request.host}` : ''
      return reply.redirect(`${origin}${publicPath(app.config)}${url}${query}`, 307)
    },
    handler: () => {},
  })
}
