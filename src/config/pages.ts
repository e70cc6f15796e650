import { isLoopbackHost } from './mail-url.js'
import type { Config } from './settings.js'

/**
 * Whether there are pages: PAGES is on, and links and cookies cannot be intercepted on the way to PUBLIC_URL. Over
 * plain http, browsers store Secure cookies only for this machine.
 */
export function hasPages({ PAGES, PUBLIC_URL }: Pick<Config, 'PAGES' | 'PUBLIC_URL'>): boolean {
  return PAGES && isPrivate(PUBLIC_URL)
}

/** A notice for the operator if there are no pages. */
export function pagesNotice({ PAGES, PUBLIC_URL }: Pick<Config, 'PAGES' | 'PUBLIC_URL'>): string | undefined {
  if (!PAGES || isPrivate(PUBLIC_URL)) return undefined
  return `The pages under /account are off: PUBLIC_URL is ${PUBLIC_URL}, but they need https, or http on localhost`
}

/** The template of mail links to the pages of this service; empty without pages. */
export function ownLinks(config: Pick<Config, 'PAGES' | 'PUBLIC_URL'>): string {
  return hasPages(config) ? `${config.PUBLIC_URL}/account/{page}?token={token}` : ''
}

function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || isLoopbackHost(hostname)
}
