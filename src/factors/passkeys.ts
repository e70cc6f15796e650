import { randomUUID } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { and, eq, ne, sql } from 'drizzle-orm'
import type { Events } from '../audit/events.js'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import type { Database, Db } from '../database/database.js'
import { Problem } from '../problems.js'
import type { DataKey } from '../tokens/data-key.js'
import { pseudonym, type Secret } from '../tokens/secret.js'
import { Challenges } from './challenges.js'
import { verifyCreated } from './created-passkeys.js'
import { ALGORITHMS, creationOptions, requestOptions } from './passkey-options.js'

type Row = Database['tables']['factors']['$inferSelect']

const LOG_IN = 'log-in'

/** A user for whom a passkey is made. */
interface Holder {
  id: number
  /** The session or the log-in in which the passkey is made. */
  occasion: string
  /** Shown by the device. */
  name: string
  displayName: string
}

/** A passkey with a valid signature. `spend` uses its challenge up. */
interface Shown {
  userId: number
  /** As in RFC 8176. */
  amr: string
  /** Uses the challenge up, within the transaction of `db`. @throws Problem passkey_rejected */
  spend(db: Db): Promise<void>
}

interface Dependencies {
  config: Config
  database: Database
  dataKey: DataKey
  secret: Secret
  events: Events
}

/**
 * Passkeys: WebAuthn level 3 without attestation. They identify the user without a name (discoverable credentials). The
 * device verifies the user, so a passkey counts as two factors.
 */
export class Passkeys {
  readonly #config: Config
  readonly #database: Database
  readonly #events: Events
  readonly #handleKey: Buffer
  readonly #challenges: Challenges
  readonly #find: ReturnType<typeof prepareFind>

  constructor({ config, database, dataKey, secret, events }: Dependencies) {
    this.#config = config
    this.#database = database
    this.#events = events
    this.#handleKey = dataKey.derive('user-handle')
    this.#challenges = new Challenges(database, secret)
    this.#find = prepareFind(database)
  }

  /** Whether passkeys are on: RP_ID is set. */
  get areAvailable(): boolean {
    return this.#config.RP_ID !== ''
  }

  /** Options for `navigator.credentials.create`. A device that holds a passkey of `own` makes no second one. */
  creationOptions(holder: Holder, own: Row[], serviceName: string): PublicKeyCredentialCreationOptionsJSON {
    const rpId = this.#assertAvailable()
    const user = { id: this.#handleOf(holder.id), name: holder.name, displayName: holder.displayName }
    return creationOptions({ rpId, challenge: this.#challenges.make(registrationOf(holder)), own, serviceName, user })
  }

  /** Options for `navigator.credentials.get`: any passkey of this service, or those of `own`. */
  requestOptions(own: Row[] = []): PublicKeyCredentialRequestOptionsJSON {
    return requestOptions({ rpId: this.#assertAvailable(), challenge: this.#challenges.make(LOG_IN), own })
  }

  /**
   * Verifies the result of `navigator.credentials.create`. `add` then inserts the row, within a transaction.
   * @throws Problem passkey_rejected, passkeys_unavailable
   */
  async verifyNew(holder: Pick<Holder, 'id' | 'occasion'>, response: RegistrationResponseJSON) {
    const expectedRPID = this.#assertAvailable()
    const verifying = verifyCreated({
      response,
      expectedChallenge: (challenge) => this.#challenges.isOurs(challenge, registrationOf(holder)),
      expectedOrigin: [...this.#config.PASSKEY_ORIGINS],
      expectedRPID,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    })
    const created = await verifying.catch((error) => reject(String(error)))
    const challenge = signedChallenge(response.response.clientDataJSON)
    const { credential, credentialDeviceType, credentialBackedUp } = created
    return {
      challenge,
      values: {
        kind: 'passkey' as const,
        credentialId: credential.id,
        publicKey: Buffer.from(credential.publicKey).toString('base64url'),
        rpId: expectedRPID,
        transports: (credential.transports ?? []).join(' '),
        counter: credential.counter,
        isBackupEligible: credentialDeviceType === 'multiDevice',
        isBackedUp: credentialBackedUp,
      },
    }
  }

  /** Inserts a verified passkey, and uses its challenge up. @throws Problem passkey_rejected */
  async add(db: Db, made: Awaited<ReturnType<Passkeys['verifyNew']>>, { userId, name }: Pick<Row, 'userId' | 'name'>) {
    const { tables, now } = this.#database
    if (!(await this.#challenges.use(db, made.challenge))) reject('the challenge was used before')
    const id = randomUUID()
    const added = await db
      .insert(tables.factors)
      .values({ id, userId, name, ...made.values, createdAt: now, confirmedAt: now })
      .onConflictDoNothing()
      .returning({ id: tables.factors.id })
    if (added.length === 0) reject('it is registered already')
    return id
  }

  /**
   * Verifies the result of `navigator.credentials.get`. With `userId`, the passkey must be that user's; without, the
   * passkey identifies the user.
   * @throws Problem passkey_rejected, passkeys_unavailable
   */
  async verify(response: AuthenticationResponseJSON, client: Client, userId?: number): Promise<Shown> {
    const expectedRPID = this.#assertAvailable()
    const [row] = await this.#find.execute({ credentialId: response.id })
    if (row === undefined || (userId !== undefined && row.userId !== userId))
      return reject('no account has this passkey')
    const { userHandle } = response.response
    const isOwners = userHandle === this.#handleOf(row.userId) || (userId !== undefined && !userHandle)
    if (!isOwners) return reject('the user handle belongs to another account')
    const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
    const verifying = verifyAuthenticationResponse({
      response,
      expectedChallenge: (challenge) => this.#challenges.isOurs(challenge, LOG_IN),
      expectedOrigin: [...this.#config.PASSKEY_ORIGINS],
      expectedRPID,
      requireUserVerification: true,
      credential: {
        id: response.id,
        publicKey: new Uint8Array(Buffer.from(row.publicKey ?? '', 'base64url')),
        // 0 turns the library's check of the counter off: a restored device starts again at 0, and synchronized
        // passkeys do not count.
        counter: 0,
      },
    })
    const { verified, authenticationInfo } = await verifying.catch((error) => reject(String(error)))
    if (!verified) return reject('the signature is wrong')
    const challenge = signedChallenge(response.response.clientDataJSON)
    const isBackupEligible = authenticationInfo.credentialDeviceType === 'multiDevice'
    if (isBackupEligible !== row.isBackupEligible) return reject('its backup eligibility has changed')
    const seen = { counter: authenticationInfo.newCounter, isBackedUp: authenticationInfo.credentialBackedUp }
    return {
      userId: row.userId,
      amr: `${isBackupEligible ? 'swk' : 'hwk'} user`,
      spend: (db) => this.#spend(db, { row, challenge, seen, client }),
    }
  }

  /** The number of passkeys that were made for another RP_ID, which no browser offers. */
  async countOrphans(): Promise<number> {
    const { db, tables } = this.#database
    const { factors } = tables
    return db.$count(factors, and(eq(factors.kind, 'passkey'), ne(factors.rpId, this.#config.RP_ID)))
  }

  /** Deletes used challenges that have expired. */
  prune(signal?: AbortSignal): Promise<void> {
    return this.#challenges.prune(signal)
  }

  async #spend(
    db: Db,
    {
      row,
      challenge,
      seen,
      client,
    }: { row: Row; challenge: string; client: Client; seen: Pick<Row, 'counter' | 'isBackedUp'> },
  ): Promise<void> {
    if (!(await this.#challenges.use(db, challenge))) reject('the challenge was used before')
    const { tables, now } = this.#database
    const { factors } = tables
    const isStillThere = eq(factors.id, row.id)
    const changes = { ...seen, lastUsedAt: now }
    const used = await db.update(factors).set(changes).where(isStillThere).returning({ id: factors.id })
    if (used.length === 0) reject('the passkey was removed')
    const [before, after] = [row.counter ?? 0, seen.counter ?? 0]
    if (before === 0 || after > before) return
    const reason = `counted ${after} after ${before}`
    await this.#events.record({ type: 'passkey.counter_fell', userId: row.userId, reason }, client, db)
  }

  /** The user handle: a pseudonym, because anybody who has the device can read it. */
  #handleOf(userId: number): string {
    return pseudonym(this.#handleKey, userId)
  }

  /** The RP ID. @throws Problem passkeys_unavailable */
  #assertAvailable(): string {
    if (!this.areAvailable) throw new Problem('passkeys_unavailable')
    return this.#config.RP_ID
  }
}

function registrationOf({ id, occasion }: Pick<Holder, 'id' | 'occasion'>): string {
  return `register:${id}:${occasion}`
}

/**
 * The challenge of the client data, which the library has verified: unverified text may not be JSON. The library
 * accepts log-ins within a frame of another site; this function rejects them.
 */
function signedChallenge(clientDataJSON: string): string {
  const { challenge, crossOrigin, topOrigin } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString())
  if (crossOrigin === true || topOrigin !== undefined) reject('it was used in a frame of another site')
  return challenge
}

/** The cause is only logged: in the response, it would help only a forger. */
function reject(cause: string): never {
  throw new Problem('passkey_rejected', { cause: new Error(cause) })
}

function prepareFind({ db, tables: { factors } }: Database) {
  return db
    .select()
    .from(factors)
    .where(eq(factors.credentialId, sql.placeholder('credentialId')))
    .prepare('find_passkey')
}
