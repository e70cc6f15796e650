import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { listeningAddress } from '../config/config.js'
import { print, printJson } from '../terminal.js'

export const HELP = `Usage: latchkey healthcheck [--json]

Asks the service on this machine (PORT, 3000 by default) whether it is ready. Needs neither the secret nor the database.

  --json   print the answer as JSON

Exit codes: 0 ready; 1 not ready, or no answer; 64 wrong usage; 78 wrong settings.
`

export const options = { json: { type: 'boolean' } } as const

const TIMEOUT_MS = 2_000

export async function run({ json }: { json?: boolean }): Promise<void> {
  const url = `${listeningAddress()}/readyz`
  const { status, answer } = await askReadiness(url)
  const isReady = status === 200
  if (json) printJson({ url, is_ready: isReady, status: status || null, answer })
  else print(answer)
  process.exitCode = isReady ? 0 : 1
}

/** Not by `fetch`, which refuses ports on which the service can listen, such as 6000. */
async function askReadiness(url: string): Promise<{ status: number; answer: string }> {
  try {
    const request = get(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, answer: await text(response) }
  } catch (error) {
    return { status: 0, answer: `No answer from ${url}: ${reasonOf(error as NodeJS.ErrnoException)}` }
  }
}

/** An aborted request has the time-out as its cause; the error of a name with two addresses has a code alone. */
function reasonOf({ cause, message, code }: NodeJS.ErrnoException): string {
  return (cause as Error | undefined)?.message ?? (message || String(code))
}
