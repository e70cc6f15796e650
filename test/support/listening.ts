import type { Test } from 'tap'
import type { Config } from '../../src/config/config.js'
import { type Service, startService } from '../helper.js'

export interface Listening {
  service: Service
  address: string
  /** `fetch`; each response is checked against the OpenAPI document first. */
  fetch: typeof globalThis.fetch
}

/** A service of startService that listens on a free port of 127.0.0.1. */
export async function startListening(
  t: Test,
  settings: Partial<Record<keyof Config, string>> = {},
): Promise<Listening> {
  const service = await startService(t, settings)
  const address = await service.app.listen({ host: '127.0.0.1', port: Number(settings.PORT ?? 0) })
  return {
    service,
    address,
    async fetch(input, init) {
      const request = new Request(input, init)
      const response = await globalThis.fetch(request, { signal: AbortSignal.timeout(15_000) })
      service.contract.check({
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: await response.clone().text(),
      })
      return response
    },
  }
}
