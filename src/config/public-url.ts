import type { Config } from './settings.js'

/** The path under which clients reach this service, without a trailing slash; empty at the root of a host. */
export function publicPath({ PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): string {
  return new URL(PUBLIC_URL).pathname.replace(/\/$/, '')
}

/**
 * The issuers of accepted tokens: PUBLIC_URL and, if it is localhost, also 127.0.0.1, which earlier versions issued.
 * Only this service has the keys, so the second name accepts no foreign tokens.
 */
export function acceptedIssuers({ PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): string[] {
  const address = PUBLIC_URL.replace(/^http:\/\/localhost(?=:|$)/, 'http://127.0.0.1')
  return [...new Set([PUBLIC_URL, address])]
}

/**
 * The audience of the long-lived tokens of the tutorials' paths. No other service expects it, so none accepts a token
 * that may outlive its user's account by up to a day.
 */
export function compatAudience(issuer: string): string {
  return `${issuer}/compat`
}

/**
 * The audience of other clients' tokens without a `resource`. Only this service accepts it: a resource server that
 * takes `iss` and `aud` for a full log-in of the user must not accept a third party's token.
 */
export function clientAudience(issuer: string): string {
  return `${issuer}/client`
}
