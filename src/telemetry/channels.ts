import { channel } from 'node:diagnostics_channel'

// Diagnostics channels of Node for events that are counted. metrics.ts and tracing.ts subscribe; without a subscriber an
// event costs one look at a flag. There is one set of channels a process, whatever number of services it runs.

/** A channel of one kind of message. */
class Channel<Message> {
  readonly #channel

  constructor(readonly name: string) {
    this.#channel = channel(name)
  }

  publish(message: Message): void {
    this.#channel.publish(message)
  }

  /** Subscribes. The function that is returned unsubscribes. */
  subscribe(listener: (message: Message) => void): () => void {
    const heard = (message: unknown) => listener(message as Message)
    this.#channel.subscribe(heard)
    return () => void this.#channel.unsubscribe(heard)
  }

  get isHeard(): boolean {
    return this.#channel.hasSubscribers
  }
}

export interface MailAttempt {
  purpose: string
  /** `dropped` is a mail that nobody is to have, such as one to an address without an account. */
  result: 'sent' | 'delayed' | 'failed' | 'dropped'
}

/** Whether a new password is known from a breach; `failed` is a service that did not say so in time. */
export interface BreachCheck {
  result: 'clean' | 'breached' | 'failed'
}

export interface Login {
  result: 'succeeded' | 'failed' | 'throttled'
}

export interface Issue {
  grant: 'password' | 'refresh_token' | 'authorization_code' | 'client_credentials' | 'compat'
  /** The client that got it; nothing for Latchkey's own. */
  client?: string
}

/** What a client asked for, other than tokens. */
export interface ClientRequest {
  client: string
  request: 'introspection' | 'revocation' | 'refused'
}

export interface Duration {
  seconds: number
}

export interface Prune {
  table: string
  rows: number
}

/** An attempt to log in, and its result. */
export const logins = new Channel<Login>('latchkey:login')
/** An access token, and what it was given for. */
export const tokens = new Channel<Issue>('latchkey:token')
/** A request of a client; a refused one has not proved that it is from the client it names. */
export const clientRequests = new Channel<ClientRequest>('latchkey:client')
/** A password hashed or compared, without the time in the queue. */
export const hashes = new Channel<Duration>('latchkey:hash')
/** A statement of the database, or work done together there, with the wait for a connection. */
export const statements = new Channel<Duration>('latchkey:statement')

/** Rows that were deleted because they are over, or because their account is gone. */
export const prunes = new Channel<Prune>('latchkey:prune')

/** A mail that has left, was put off, or never will leave. */
export const mails = new Channel<MailAttempt>('latchkey:mail')

/** A new password that was looked up among those of breaches. */
export const breachChecks = new Channel<BreachCheck>('latchkey:breach-check')

/** Runs the work, and publishes how long it took, also when it fails. */
export async function timed<Result>(channel: Channel<Duration>, work: () => Promise<Result>): Promise<Result> {
  if (!channel.isHeard) return work()
  const startedAt = performance.now()
  try {
    return await work()
  } finally {
    channel.publish({ seconds: (performance.now() - startedAt) / 1_000 })
  }
}
