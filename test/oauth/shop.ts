import { createHash } from 'node:crypto'
import type { LightMyRequestResponse as Response } from 'fastify'
import type { Test } from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { PASSWORD, type Service, startService } from '../helper.js'

export const ISSUER = 'https://latchkey.test'
export const BACK = 'https://shop.example/callback'
export const VERIFIER = 'v'.repeat(43)
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')
export const GOOD = {
  ...{
    response_type: 'code',
    client_id: 'shop',
    redirect_uri: BACK,
    state: 'xyz "&',
    scope: 'profile todos:read openid',
  },
  ...{ code_challenge: CHALLENGE, code_challenge_method: 'S256' },
}
export const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
export const OURS = { ...FORM, 'sec-fetch-site': 'same-origin' }

export function addressOf(query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return `/authorize?${new URLSearchParams(given)}`
}

/** Opens the authorization request of a client, in the browser that has this cookie. */
export function asks(service: Service, change: Record<string, string | undefined>, cookie = ''): Promise<Response> {
  return service.app.inject({ url: addressOf({ ...GOOD, ...change }), headers: { cookie } })
}

/** Submits the form of the page: the password form, unless `form` belongs to the second factor. */
export function logIn(
  service: Service,
  query: Record<string, string | undefined>,
  form: Record<string, string> = {},
  headers: Record<string, string> = OURS,
) {
  const filled: Record<string, string> = 'ticket' in form ? form : { username: 'mina', password: PASSWORD, ...form }
  return posts(service, query, filled, headers)
}

/** Submits a form of the page at this address. */
export function posts(
  service: Service,
  query: Record<string, string | undefined>,
  form: Record<string, string>,
  headers: Record<string, string>,
): Promise<Response> {
  const payload = new URLSearchParams(form).toString()
  return service.app.inject({ method: 'POST', url: addressOf(query), headers, payload })
}

/** The session in the form of the consent page. */
export function sessionOn({ payload }: Response): string {
  return /name="session" value="([^"]+)"/.exec(payload)?.[1] ?? ''
}

/** The code in the address that a browser is redirected to; undefined without a redirect or without a code. */
export function codeOf({ headers }: Response): string | undefined {
  return headers.location === undefined ? undefined : (new URL(headers.location).searchParams.get('code') ?? undefined)
}

/** The error that the client receives, through a redirect or through a page that forwards to it. */
export function errorOf({ headers }: Response): Record<string, string> {
  const to = headers.location ?? String(headers.refresh).replace(/^0;url=/, '')
  return Object.fromEntries(new URL(to).searchParams)
}

/** The address that a page forwards to, and the parameters in it. */
export function answerOf({ headers, payload }: Response) {
  const url = new URL(String(headers.refresh).replace(/^0;url=/, ''))
  if (!payload.includes(url.href.replaceAll('&', '&#38;'))) throw new Error('The page has no link to where it goes on')
  const { code = '', ...others } = Object.fromEntries(url.searchParams)
  return { code, ...others, to: `${url.origin}${url.pathname}` }
}

export function exchange(service: Service, change: Record<string, string | undefined>): Promise<Response> {
  const all = {
    grant_type: 'authorization_code',
    client_id: 'shop',
    redirect_uri: BACK,
    code_verifier: VERIFIER,
    ...change,
  }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return service.post('/v1/token', new URLSearchParams(given).toString(), FORM)
}

export async function start(t: Test, settings = {}) {
  const service = await startService(t, { PUBLIC_URL: ISSUER, ...settings })
  const register = (id: string, given: object) => {
    const redirect_uris = [
      `https://${id}.example/callback`,
      ...['localhost', '127.0.0.1', '[::1]'].map((host) => `http://${host}/cb`),
    ]
    const client = { client_name: `The ${id[0]?.toUpperCase()}${id.slice(1)}`, redirect_uris, ...given }
    const scope = 'openid profile email todos:read'
    const own = { token_endpoint_auth_method: 'none', first_party: true, scope, ...client } as const
    return service.app.clients.create(id, withDefaults(own), { id: null })
  }
  await register('shop', {})
  await register('game', {})
  await register('third', { first_party: false })
  const { secret } = await register('secretive', { token_endpoint_auth_method: 'client_secret_post' })
  return { service, mina: await service.signUp('mina'), secret }
}

/** The cookie that a response sets, as the browser sends it back. */
export function cookieOf({ headers }: Response): string {
  return String(headers['set-cookie']).split(';')[0] ?? ''
}
