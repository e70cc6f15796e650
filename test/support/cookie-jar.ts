import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

const HOPS_MAX = 12
/** The headers of a browser's navigation; without them mod_auth_openidc does not redirect to the log-in. */
const NAVIGATION = { accept: 'text/html,*/*', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }

/** A page that a visitor opened. */
export interface Visited {
  url: URL
  status: number
  body: string
}

interface Sent {
  headers: Record<string, string>
  /** The body of a POST; without a body the request is a GET. */
  form?: string
}

/**
 * A visitor without a browser: keeps cookies by host (browsers do not separate them by port), follows redirects and the
 * `Refresh` of a page, and sends the form of the page that is open as a browser does.
 */
export class Visitor {
  readonly #cookies = new Map<string, Map<string, string>>()
  #page: Visited | undefined

  get page(): Visited {
    if (this.#page === undefined) throw new Error('nothing is open')
    return this.#page
  }

  open(address: string): Promise<Visited> {
    return this.#go(new URL(address), { headers: { 'sec-fetch-site': 'none' } })
  }

  /** Submits the form of the page with its hidden fields and these fields. */
  submit(fields: Record<string, string>): Promise<Visited> {
    const { body, url } = this.page
    const [, action = ''] = /<form[^>]*\baction="([^"]*)"/.exec(body) ?? []
    const form = new URLSearchParams({ ...hiddenFields(body), ...fields })
    return this.#go(new URL(decoded(action), url), { headers: { ...FORM, origin: url.origin }, form: form.toString() })
  }

  async #go(start: URL, sent: Sent): Promise<Visited> {
    let url = start
    let next: string | undefined
    for (let hops = 0; hops < HOPS_MAX; hops++) {
      const answer = await this.#send(url, hops === 0 ? sent : { headers: { 'sec-fetch-site': 'cross-site' } })
      this.#keep(url, answer.headers['set-cookie'] ?? [])
      const { location, refresh } = answer.headers
      this.#page = { url, status: answer.statusCode ?? 0, body: await text(answer) }
      next = location ?? (typeof refresh === 'string' ? refresh.replace(/^0;url=/, '') : undefined)
      if (next === undefined) return this.#page
      url = new URL(next, url)
    }
    throw new Error(`more than ${HOPS_MAX} redirects, the last one to ${next}`)
  }

  async #send(url: URL, { headers, form }: Sent): Promise<IncomingMessage> {
    const all = { ...NAVIGATION, ...headers, cookie: this.#cookiesFor(url) }
    const outgoing = request(url, { method: form === undefined ? 'GET' : 'POST', headers: all }).end(form)
    const [answer] = await once(outgoing, 'response')
    return answer
  }

  #cookiesFor({ hostname }: URL): string {
    return [...(this.#cookies.get(hostname) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  #keep({ hostname }: URL, lines: readonly string[]): void {
    const cookies = this.#cookies.get(hostname) ?? new Map<string, string>()
    this.#cookies.set(hostname, cookies)
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(/; */)
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      if (isOver(attributes)) cookies.delete(name)
      else cookies.set(name, value)
    }
  }
}

function isOver(attributes: readonly string[]): boolean {
  return attributes.some((attribute) => {
    const [name = '', value = ''] = attribute.split('=')
    if (/^max-age$/i.test(name)) return Number(value) <= 0
    return /^expires$/i.test(name) && Date.parse(value) <= Date.now()
  })
}

function hiddenFields(page: string): Record<string, string> {
  const inputs = page.match(/<input type="hidden"[^>]*>/g) ?? []
  return Object.fromEntries(
    inputs.map((input) => [/name="([^"]*)"/.exec(input)?.[1] ?? '', decoded(/value="([^"]*)"/.exec(input)?.[1] ?? '')]),
  )
}

function decoded(text: string): string {
  return text.replaceAll('&#38;', '&').replaceAll('&amp;', '&')
}
