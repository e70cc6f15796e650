import { text } from 'node:stream/consumers'
import { listeningAddress } from '../config/config.js'
import { send } from '../requests.js'
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

async function askReadiness(url: string): Promise<{ status: number; answer: string }> {
  try {
    const response = await send(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.statusCode ?? 0, answer: await text(response) }
  } catch (error) {
    return { status: 0, answer: `No answer from ${url}: ${(error as Error).message}` }
  }
}
