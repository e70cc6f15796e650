import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

interface Outgoing {
  method?: 'GET' | 'POST'
  headers?: OutgoingHttpHeaders
  body?: string
  signal: AbortSignal
}

/**
 * Sends a request to another service. The caller must read or destroy the body of the response. No redirect is
 * followed. Not by `fetch`, which refuses ports that browsers block, such as 6000 or 10080.
 * @throws Error that says why there is no response, without the URL
 */
export async function send(url: string, { body, ...options }: Outgoing): Promise<IncomingMessage> {
  const request = new URL(url).protocol === 'https:' ? requestHttps(url, options) : requestHttp(url, options)
  // An abort after the response is an error of the request too, which would end this process.
  request.on('error', () => {})
  request.end(body)
  try {
    const [response] = await once(request, 'response', { signal: options.signal })
    return response
  } catch (error) {
    throw new Error(reasonOf(error as NodeJS.ErrnoException), { cause: error })
  }
}

/** An aborted request has the time-out as its cause; the error of a name with two addresses has a code alone. */
function reasonOf({ cause, message, code }: NodeJS.ErrnoException): string {
  return (cause as Error | undefined)?.message ?? (message || String(code))
}
