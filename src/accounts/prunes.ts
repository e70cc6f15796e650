import type { FastifyInstance } from 'fastify'
import { sweepClosedAccounts } from './closed-accounts.js'

/** Deletes expired rows of one kind; stops early at the signal. */
type Prune = (signal: AbortSignal) => Promise<void>

/** All prunes of expired rows, by name. */
export function prunesOf(app: FastifyInstance): Record<string, Prune> {
  const {
    database,
    sessions,
    throttle,
    knownNetworks,
    events,
    oneTimeTokens,
    emailAddresses,
    mail,
    apiKeys,
    clientAssertions,
    tokenRevocations,
    passkeys,
  } = app
  return {
    sessions: (signal) => sessions.prune(signal),
    throttle: (signal) => throttle.prune(signal),
    networks: (signal) => knownNetworks.prune(signal),
    events: (signal) => events.prune(signal),
    tokens: (signal) => oneTimeTokens.prune(signal),
    unproven: (signal) => emailAddresses.prune(signal),
    api_keys: (signal) => apiKeys.prune(signal),
    assertions: (signal) => clientAssertions.prune(signal),
    revoked_tokens: (signal) => tokenRevocations.prune(signal),
    challenges: (signal) => passkeys.prune(signal),
    mail: async () => mail.delivery?.prune(),
    accounts: (signal) => sweepClosedAccounts(database, signal),
  }
}

/** Runs the prunes one after the other; a failure does not stop the rest. @throws AggregateError of all failures */
export async function pruneAll(prunes: Record<string, Prune>, signal: AbortSignal): Promise<void> {
  const faults: Error[] = []
  for (const [name, prune] of Object.entries(prunes)) {
    await prune(signal).catch((cause) => faults.push(new Error(`The prune of ${name} failed`, { cause })))
  }
  if (faults.length > 0) throw new AggregateError(faults, faults.map(({ message }) => message).join(', '))
}
