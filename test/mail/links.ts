import type { LightMyRequestResponse as Response } from 'fastify'
import type { Service } from '../helper.js'
import type { MailServer, Received } from './servers.js'

/** The pages need an https address. */
export const WITH_PAGES = { PUBLIC_URL: 'https://login.example.com' }

/** The newest mail that a server received. */
export function newest({ received }: MailServer): Received {
  const mail = received.at(-1)
  if (mail === undefined) throw new Error('no mail has arrived')
  return mail
}

/** What a mail contains for its reader. */
interface Gifts {
  link: string
  token: string
  code: string
}

export function giftsOf({ mail }: Pick<Received, 'mail'>): Gifts {
  const text = mail.text ?? ''
  const link = /https?:\/\/\S+/.exec(text)?.[0] ?? ''
  const code = /^([0-9A-Z]{4}-[0-9A-Z]{4}|lkt_[\w-]+)$/m.exec(text)?.[1] ?? ''
  return { link, token: link === '' ? '' : (new URL(link).searchParams.get('token') ?? ''), code }
}

/**
 * The newest link, token and code. Looks for a mail that has them: mails sent at the same time arrive in any order,
 * notices included.
 */
export function newestGifts({ received }: MailServer): Gifts {
  const gifts = received.map(giftsOf).findLast(({ token, code }) => token !== '' || code !== '')
  if (gifts === undefined) throw new Error('no mail with a token or a code has arrived')
  return gifts
}

/** Opens a link as a browser would. */
export function open({ app }: Service, link: string, headers: Record<string, string> = {}): Promise<Response> {
  const { pathname, search } = new URL(link)
  return app.inject({ method: 'GET', url: pathname + search, headers })
}

/** The forms of a page: the address of each, and its fields with their initial values. */
export function formsOf(page: string): { action: string; fields: Record<string, string> }[] {
  return [...page.matchAll(/<form method="post" action="([^"]+)">(.*?)<\/form>/gs)].map(
    ([, action = '', inside = '']) => ({
      action,
      fields: Object.fromEntries(
        [...inside.matchAll(/<input ([^>]*)>/gs)]
          // A checkbox without a tick is not sent.
          .filter(([, attributes = '']) => !attributes.includes('type="checkbox"'))
          .map(([, attributes = '']) => [
            /name="([^"]*)"/.exec(attributes)?.[1] ?? '',
            /value="([^"]*)"/.exec(attributes)?.[1] ?? '',
          ]),
      ),
    }),
  )
}

/** Submits a form as a browser would. */
export function submit(
  { app }: Service,
  action: string,
  fields: Record<string, string>,
  headers: Record<string, string> = { 'sec-fetch-site': 'same-origin' },
): Promise<Response> {
  return app.inject({
    method: 'POST',
    url: action,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(fields).toString(),
  })
}

/** Acts like a mail scanner: opens the link, and submits every form of the page unchanged. */
export async function scan(service: Service, link: string): Promise<void> {
  const page = await open(service, link)
  for (const { action, fields } of formsOf(page.body)) await submit(service, action, fields)
}
