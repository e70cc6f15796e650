import type { LightMyRequestResponse as Response } from 'fastify'
import { type Registration, withDefaults } from '../../src/clients/registration.js'
import type { Service } from '../helper.js'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** A client as the command line registers it, with its secret if it has one. */
export async function registerClient(
  { app }: Service,
  id: string,
  registration: Partial<Registration> = {},
): Promise<{ id: string; secret: string }> {
  const { secret = '' } = await app.clients.create(id, withDefaults({ client_name: id, ...registration }), { id: null })
  return { id, secret }
}

/** Sends a form: fields, or text that is already encoded. */
export function postForm(
  service: Service,
  url: string,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return service.post(url, new URLSearchParams(fields).toString(), { ...FORM, ...headers })
}

/** The header of client_secret_basic; the credentials are not percent-encoded. */
export function basic(id: string, secret: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}

/** An access token of the client_credentials grant. */
export async function clientToken(
  service: Service,
  { id, secret }: { id: string; secret: string },
  fields: Record<string, string> = {},
): Promise<string> {
  const answer = await postForm(
    service,
    '/v1/token',
    { grant_type: 'client_credentials', ...fields },
    basic(id, secret),
  )
  if (answer.statusCode !== 200) throw new Error(`client_credentials: ${answer.statusCode} ${answer.payload}`)
  return answer.json().access_token
}
