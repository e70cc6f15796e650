import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.js'
import { publicPath } from '../config/public-url.js'
import { queryOf } from '../http/request-target.js'
import type { WaysOut } from './log-in-page.js'
import { ACCOUNT_PATH_PATTERN } from './return-paths.js'

/** What the log-in of the pages of the account is asked with. */
export const LogInQuery = Type.Object({
  /** Where the person goes afterwards: a page of ours, so that a link leads nobody astray. */
  to: Type.String({ pattern: ACCOUNT_PATH_PATTERN, maxLength: 512, default: '/account' }),
  /** Asks also whoever is logged in: before something that changes how one logs in. */
  again: Type.Optional(Type.Literal('1')),
  /** Tells whoever was logged out meanwhile that the form which led here was not taken. */
  lost: Type.Optional(Type.Literal('1')),
  /** The token of an operator's link, with which somebody may add the first second factor. */
  enroll: Type.Optional(Type.String({ maxLength: 128 })),
})
export type LogInQuery = Static<typeof LogInQuery>

/** Where somebody is on the way to an application: the query of its authorization request, with `?`, or nothing. */
export function flowOf({ url, query }: Pick<FastifyRequest, 'url' | 'query'>): string {
  const isFlow = typeof (query as { client_id?: unknown }).client_id === 'string'
  return isFlow ? queryOf(url) : ''
}

/** The pages for people who log in otherwise or cannot, which lead back to the flow, or to this log-in. */
export function waysOutOf(
  { config, mail }: Pick<FastifyInstance, 'config' | 'mail'>,
  flow: string,
  logIn = logInAddress(config, flow),
): WaysOut {
  const account = `${publicPath(config)}/account`
  return {
    register: config.REGISTRATION === 'open' ? `${account}/register${flow}` : '',
    emailCode: config.EMAIL_LOGIN && mail.outbox.isOn ? emailCodeAddress(config, logIn) : '',
    forgot: mail.outbox.isOn ? `${account}/forgot${flow}` : '',
  }
}

/** The page to log in on, which takes up the flow again. It is always one of ours, whatever the query says. */
export function logInAddress(config: Pick<Config, 'PUBLIC_URL'>, flow: string): string {
  return `${publicPath(config)}${flow === '' ? '/account/login' : `/authorize${flow}`}`
}

/** The log-in of the pages of the account. */
export function accountLogIn(config: Pick<Config, 'PUBLIC_URL'>, { to, again, enroll }: LogInQuery): string {
  const query = { to, ...(again !== undefined && { again }), ...(enroll !== undefined && { enroll }) }
  return `${publicPath(config)}/account/login?${new URLSearchParams(query)}`
}

/** The page that mails a code for this log-in. */
export function emailCodeAddress(config: Pick<Config, 'PUBLIC_URL'>, logIn: string): string {
  return `${publicPath(config)}/account/email-code${queryOf(logIn)}`
}
