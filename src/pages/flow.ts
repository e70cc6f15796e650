import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.js'
import { publicPath } from '../config/public-url.js'
import { queryOf } from '../http/request-target.js'
import type { WaysOut } from './log-in-page.js'

/** Where somebody is on the way to an application: the query of its authorization request, with `?`, or nothing. */
export function flowOf({ url, query }: Pick<FastifyRequest, 'url' | 'query'>): string {
  const isFlow = typeof (query as { client_id?: unknown }).client_id === 'string'
  return isFlow ? queryOf(url) : ''
}

/** The pages for people who cannot log in, which lead back to the flow. */
export function waysOutOf({ config, mail }: Pick<FastifyInstance, 'config' | 'mail'>, flow: string): WaysOut {
  const account = `${publicPath(config)}/account`
  return {
    register: config.REGISTRATION === 'open' ? `${account}/register${flow}` : '',
    forgot: mail.outbox.isOn ? `${account}/forgot${flow}` : '',
  }
}

/** The page to log in on, which takes up the flow again. It is always one of ours, whatever the query says. */
export function logInAddress(config: Pick<Config, 'PUBLIC_URL'>, flow: string): string {
  return `${publicPath(config)}${flow === '' ? '/account/login' : `/authorize${flow}`}`
}
