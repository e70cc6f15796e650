import { channel } from 'node:diagnostics_channel'

// Node diagnostics channels for countable events. metrics.ts and tracing.ts subscribe. Without a subscriber an event
// costs one flag check. The channels belong to the process, shared by all services in it.

/** A typed channel. */
class Channel<Message> {
  readonly #channel

  constructor(readonly name: string) {
    this.#channel = channel(name)
  }

  publish(message: Message): void {
    this.#channel.publish(message)
  }

  /** Subscribes. Returns a function that unsubscribes. */
  subscribe(listener: (message: Message) => void): () => void {
    const receive = (message: unknown) => listener(message as Message)
    this.#channel.subscribe(receive)
    return () => void this.#channel.unsubscribe(receive)
  }

  get hasSubscribers(): boolean {
    return this.#channel.hasSubscribers
  }
}

interface MailAttempt {
  purpose: string
  /** `dropped`: the mail must not be sent, for example because the address has no account. */
  result: 'sent' | 'delayed' | 'failed' | 'dropped'
}

/** Whether a new password is known from a breach. `failed`: the service did not answer in time. */
interface BreachCheck {
  result: 'clean' | 'breached' | 'failed'
}

interface Login {
  result: 'succeeded' | 'failed' | 'throttled'
}

interface Issue {
  grant: 'password' | 'refresh_token' | 'authorization_code' | 'client_credentials' | 'compat'
  /** The client that received the token; undefined for Latchkey itself. */
  client?: string
}

/** A client request other than for tokens. */
interface ClientRequest {
  client: string
  request: 'introspection' | 'revocation' | 'refused'
}

export interface Duration {
  seconds: number
}

interface Prune {
  table: string
  rows: number
}

/** A log-in attempt and its result. */
export const logins = new Channel<Login>('latchkey:login')
/** An issued access token and its grant. */
export const tokens = new Channel<Issue>('latchkey:token')
/** A client request. A refused request is not authenticated, so the client id is unproven. */
export const clientRequests = new Channel<ClientRequest>('latchkey:client')
/** The time to hash or verify a password, without the wait in the queue. */
export const hashes = new Channel<Duration>('latchkey:hash')
/** The time of a database statement or transaction, including the wait for a connection. */
export const statements = new Channel<Duration>('latchkey:statement')

/** Deleted rows: expired, or of a deleted account. */
export const prunes = new Channel<Prune>('latchkey:prune')

/** A mail that was sent, delayed, or given up. */
export const mails = new Channel<MailAttempt>('latchkey:mail')

/** A new password that was checked against known breaches. */
export const breachChecks = new Channel<BreachCheck>('latchkey:breach-check')

/** Runs the work and publishes its duration, even if the work fails. */
export async function timed<Result>(channel: Channel<Duration>, work: () => Promise<Result>): Promise<Result> {
  if (!channel.hasSubscribers) return work()
  const startedAt = performance.now()
  try {
    return await work()
  } finally {
    channel.publish({ seconds: (performance.now() - startedAt) / 1_000 })
  }
}
