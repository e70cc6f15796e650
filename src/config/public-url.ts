import type { Config } from './settings.js'

/** The path under which clients see this service, without a slash at its end; empty where a host is its own. */
export function publicPath({ PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): string {
  return new URL(PUBLIC_URL).pathname.replace(/\/$/, '')
}

/**
 * The issuers whose tokens count: PUBLIC_URL, and for localhost its address too, which earlier versions issued. Nobody but
 * this service has the keys, so a name more lets nobody in.
 */
export function acceptedIssuers({ PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): string[] {
  const address = PUBLIC_URL.replace(/^http:\/\/localhost(?=:|$)/, 'http://127.0.0.1')
  return [...new Set([PUBLIC_URL, address])]
}

/**
 * The audience of the long-lived tokens of the tutorials' addresses. No other service checks for it, so that none takes a token
 * that outlives its user's account by up to a day.
 */
export function compatAudience(issuer: string): string {
  return `${issuer}/compat`
}

/**
 * The audience of the tokens of other clients where no `resource` names one. This service alone takes it: a resource server that
 * reads `iss` and `aud` as "the user, whole" must not take a third party's token for that.
 */
export function clientAudience(issuer: string): string {
  return `${issuer}/client`
}
