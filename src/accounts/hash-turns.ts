import type { Client } from '../audit/requester.js'
import { networksOf } from '../networks.js'
import type { Turn } from '../passwords/queue.js'

/** A place in the queue of hashes, by the network and by the typed name, whether or not it exists. */
export function turnOf({ ip, isGone }: Client, account?: string): Turn {
  return { ...(isGone && { isGone }), account, network: networksOf(ip).at(-1)?.key }
}

/**
 * The place of a user who has shown a session or a reset token. The queue counts these users as a network of their
 * own, so that a flood of log-ins, which anybody can send, does not delay them; and they do not delay the log-ins of
 * others.
 */
export function turnOfOwner(client: Client, userId: number): Turn {
  const { network, ...turn } = turnOf(client, `user:${userId}`)
  return { ...turn, network: `owners:${network}` }
}
