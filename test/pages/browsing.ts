import type { LightMyRequestResponse as Response } from 'fastify'
import { PASSWORD, type Service } from '../helper.js'
import { submit } from '../mail/links.js'

const OURS = { 'sec-fetch-site': 'same-origin' }

/** A browser in which a user is logged in. It does not follow redirects. */
export class Browser {
  constructor(
    readonly service: Service,
    public cookie: string,
  ) {}

  open(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.service.app.inject({ url, headers: { cookie: this.cookie, ...headers } })
  }

  send(url: string, fields: Record<string, string>, headers: Record<string, string> = OURS): Promise<Response> {
    return submit(this.service, url, fields, { cookie: this.cookie, ...headers })
  }
}

/** Logs in on the page of the account. */
export async function browse(service: Service, username: string, more: Record<string, string> = {}): Promise<Browser> {
  const answer = await submit(service, '/account/login', { username, password: PASSWORD }, { ...OURS, ...more })
  if (answer.statusCode !== 303) throw new Error(`log-in: ${answer.statusCode} ${answer.body}`)
  return new Browser(service, String(answer.headers['set-cookie']).split(';')[0] ?? '')
}
