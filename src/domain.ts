import Fastify, { type FastifyInstance } from 'fastify'
import accounts from '../plugins/accounts.js'
import apiKeys from '../plugins/api-keys.js'
import clients from '../plugins/clients.js'
import database from '../plugins/database.js'
import events from '../plugins/events.js'
import mail from '../plugins/mail.js'
import oneTimeTokens from '../plugins/one-time-tokens.js'
import sessions from '../plugins/sessions.js'
import type { Config } from './config/config.js'
import { printError } from './terminal.js'
import { COMMAND_TIMEOUTS, type Timeouts } from './timeouts.js'

/** The services below the HTTP layer, which requests and commands share. */
export const domain = [database, events, sessions, oneTimeTokens, clients, apiKeys, mail, accounts]

/** The services of an action that only reads. They need no secret, and make no keys that the first start would make. */
const readable = [database, events, clients]
const READING = new Set<string | undefined>(['list', 'show'])

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    timeouts: Timeouts
  }
}

/**
 * The services that an action of a command needs, without the HTTP layer, whose start takes longer than the command.
 * `list` and `show` get those for reading, every other action gets all.
 */
export async function openDomain(config: Config, action?: string): Promise<FastifyInstance> {
  // No plugin timeout, as in the service: databases and hashes have time limits and errors of their own.
  const app = Fastify({ pluginTimeout: 0, logger: { level: 'warn', stream: { write: printMessage } } })
  app.decorate('config', config)
  app.decorate('timeouts', COMMAND_TIMEOUTS)
  try {
    for (const part of READING.has(action) ? readable : domain) await app.register(part)
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

/** For example, that the server does not answer yet and what the command waits for. */
function printMessage(line: string): void {
  printError(`latchkey: ${JSON.parse(line).msg}`)
}
