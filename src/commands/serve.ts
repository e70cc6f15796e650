import { type Config, loadConfig } from '../config/config.js'
import { warningsAbout } from '../config/environment.js'
import { serve } from '../server.js'
import { printError } from '../terminal.js'

export const HELP = `Usage: latchkey serve [--json]

Starts the service. Settings come from the environment, for example PORT=4000 latchkey serve, and from a file .env in the
working directory; see latchkey config.

  --json   log as JSON on a terminal too, like LOG_FORMAT=json

Exit codes: 0 stopped by a signal; 1 it cannot start, with the reason; 64 wrong usage; 78 wrong settings.
`

export const options = { json: { type: 'boolean' } } as const

export async function run({ json }: { json?: boolean }): Promise<void> {
  const settings = loadConfig()
  const config: Config = json ? { ...settings, LOG_FORMAT: 'json' } : settings
  printError(...warningsAbout(config).map((warning) => `latchkey: ${warning}`))
  const app = await serve(config)
  const { port } = app.server.address() as { port: number }
  const isLocal = ['localhost', '127.0.0.1', '::1'].includes(config.HOST)
  if (isLocal) process.stderr.write(welcome(`http://localhost:${port}`, config.DOCS))
}

/** Printed for users who start the service by hand. On standard error, because standard output is the log. */
function welcome(address: string, docs: boolean): string {
  // Not curl --json: it needs curl 7.82, and Ubuntu 22.04 has an older version.
  const json = "-H 'Content-Type: application/json' -d"
  return `
Latchkey listens on ${address}
${docs ? `Look around and try it at ${address}/docs\n` : ''}
Register, log in, add something to do:

  curl ${address}/v1/register ${json} '{"username":"mina","password":"three quiet lanterns"}'
  TOKEN=$(curl -s ${address}/v1/login ${json} '{"username":"mina","password":"three quiet lanterns"}' | sed 's/.*"access_token":"\\([^"]*\\).*/\\1/')
  curl ${address}/v1/todos -H "Authorization: Bearer $TOKEN" ${json} '{"title":"Water the plants"}'

`
}
