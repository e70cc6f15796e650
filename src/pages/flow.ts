import { type Static, Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.js'
import { publicPath } from '../config/public-url.js'
import { queryOf } from '../http/request-target.js'
import type { WaysOut } from './log-in-page.js'
import { ACCOUNT_PATH_PATTERN } from './return-paths.js'

/** The query of the log-in for the account pages. */
export const LogInQuery = Type.Object({
  /** The page after the log-in. Only account pages are allowed, so that a link cannot redirect to another site. */
  to: Type.String({ pattern: ACCOUNT_PATH_PATTERN, maxLength: 512, default: '/account' }),
  /** Asks logged-in users again: before a change to how they log in. */
  again: Type.Optional(Type.Literal('1')),
  /** Tells a user who was logged out meanwhile that the form was not processed. */
  lost: Type.Optional(Type.Literal('1')),
  /** Tells a user whose browser sent no cookie that the log-in needs one. */
  cookieless: Type.Optional(Type.Literal('1')),
  /** The token of an operator's link, which allows the user to add the first second factor. */
  enroll: Type.Optional(Type.String({ maxLength: 128 })),
})
export type LogInQuery = Static<typeof LogInQuery>

/** The query of the authorization request that a user is in, with `?`; empty outside of one. */
export function flowOf({ url, query }: Pick<FastifyRequest, 'url' | 'query'>): string {
  const isFlow = typeof (query as { client_id?: unknown }).client_id === 'string'
  return isFlow ? queryOf(url) : ''
}

/** The pages for users who log in differently or cannot log in. They lead back to the flow, or to this log-in. */
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

/** The log-in page, which continues the flow. Always a page of this service, whatever the query contains. */
export function logInAddress(config: Pick<Config, 'PUBLIC_URL'>, flow: string): string {
  return `${publicPath(config)}${flow === '' ? '/account/login' : `/authorize${flow}`}`
}

/** The address of the log-in for the account pages. */
export function accountLogIn(config: Pick<Config, 'PUBLIC_URL'>, { to, again, enroll }: LogInQuery): string {
  const query = { to, ...(again !== undefined && { again }), ...(enroll !== undefined && { enroll }) }
  return `${publicPath(config)}/account/login?${new URLSearchParams(query)}`
}

/** The page that mails a code for this log-in. */
export function emailCodeAddress(config: Pick<Config, 'PUBLIC_URL'>, logIn: string): string {
  return `${publicPath(config)}/account/email-code${queryOf(logIn)}`
}
