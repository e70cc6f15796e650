import type { Client } from '../audit/requester.js'
import { networksOf } from '../networks.js'
import type { Turn } from '../passwords/queue.js'

/** A place in the queue of hashes, for the name that was typed, known or not, and for the network. */
export function turnOf({ ip, isGone }: Client, account?: string): Turn {
  return { ...(isGone && { isGone }), account, network: networksOf(ip).at(-1)?.key }
}

/**
 * The place of somebody who has shown a session or a reset token. Their network is counted apart from its log-ins, because
 * anybody can send a flood of log-ins; and many accounts of one network do not delay the log-ins of others.
 */
export function turnOfOwner(client: Client, userId: number): Turn {
  const { network, ...turn } = turnOf(client, `user:${userId}`)
  return { ...turn, network: `owners:${network}` }
}
