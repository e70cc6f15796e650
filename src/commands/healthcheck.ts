import { listeningAddress } from '../config.js'
import { print } from '../terminal.js'

export const HELP = `Usage: latchkey healthcheck

Asks the service on this machine (PORT, 3000 by default) whether it is ready; exits 0 if so, 1 if not.
Needs neither the secret nor the database.
`
const TIMEOUT_MS = 2_000

export async function run(): Promise<void> {
  const { status, text } = await askReadiness(`${listeningAddress()}/readyz`)
  print(text)
  process.exitCode = status === 200 ? 0 : 1
}

async function askReadiness(url: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    return { status: 0, text: `No answer from ${url}: ${(error as Error).message}` }
  }
}
