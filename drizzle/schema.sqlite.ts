import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

// The twin of schema.pg.ts: same names, same columns, same order; database.ts holds them equal at compile time.
// Every time is an integer: milliseconds since 1970, by the database's clock.

/**
 * The id of a table that is stored by owner, in the order of its key (user_id, id): a page of somebody's rows is then one
 * page of the file. SQLite gives out no ids there, so row_ids holds the last one, and a trigger keeps it (generate.mjs).
 * An `insert` of several rows must bring their ids along: all would get the same one, which the trigger refuses.
 */
function idByOwner(table: string) {
  return integer('id')
    .notNull()
    .$defaultFn(() => sql`(select last + 1 from row_ids where name = ${table})`)
}

export const users = sqliteTable(
  'users',
  {
    // AUTOINCREMENT: an id is never given out twice, so a token of a deleted user can never name a new one.
    id: integer('id').primaryKey({ autoIncrement: true }),
    username: text('username'),
    usernameKey: text('username_key').unique(),
    email: text('email'),
    emailKey: text('email_key').unique(),
    name: text('name'),
    // Null where there is no password yet: nobody can log in with one.
    passwordHash: text('password_hash'),
    role: text('role', { enum: ['user', 'admin'] })
      .notNull()
      .default('user'),
    isActive: integer('is_active', { mode: 'boolean' }).notNull().default(true),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    // What a search finds the name by; the database itself folds ASCII alone.
    nameKey: text('name_key'),
    // One more with each change of how one logs in or of what one may do (not with a new hash of the same password): a session
    // begins only under the version that was just proved.
    authVersion: integer('auth_version').notNull().default(0),
    // When the address was last proved; null for an address that was not.
    emailVerifiedAt: integer('email_verified_at'),
    // The address that takes the place of the present one when it is proved.
    pendingEmail: text('pending_email'),
    // The language to write to the person in, as in BCP 47.
    locale: text('locale'),
    // What the person is for the operator's other services: words, with a space between them.
    roles: text('roles').notNull().default(''),
    // What is looked up for the pending address. Not unique: whoever proves an address first has it.
    pendingEmailKey: text('pending_email_key'),
    // Of an account that was registered where addresses must be proved: until when it waits for that, and is then deleted. Null
    // for every account that may log in.
    unprovenUntil: integer('unproven_until'),
  },
  (table) => [index('users_pending_email').on(table.pendingEmailKey).where(sql`pending_email_key is not null`)],
)

export const sessions = sqliteTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: integer('user_id').notNull(),
    generation: integer('generation').notNull().default(0),
    ip: text('ip').notNull(),
    userAgent: text('user_agent'),
    createdAt: integer('created_at').notNull(),
    lastUsedAt: integer('last_used_at').notNull(),
    idleExpiresAt: integer('idle_expires_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    tokenExpiresAt: integer('token_expires_at').notNull(),
    revokedAt: integer('revoked_at'),
    // How often this generation's parent was answered again within the reuse window.
    repetitions: integer('repetitions').notNull().default(0),
    // `api` has a refresh token; `compat` is one access token without one, as the tutorials' addresses give it out;
    // `browser` is the cookie of the pages.
    kind: text('kind', { enum: ['api', 'browser', 'compat'] })
      .notNull()
      .default('api'),
    // The OAuth client that the tokens are for.
    clientId: text('client_id').notNull().default('latchkey'),
    // What the tokens of another client may be used for: words with a space between them. Latchkey's own have none.
    scope: text('scope'),
    // The session that this one ends with.
    parentId: text('parent_id'),
    // How its user proved who they are: words of RFC 8176 with a space between them.
    amr: text('amr').notNull().default('pwd'),
    // When they proved it; 0 where nobody knows.
    authTime: integer('auth_time').notNull().default(0),
  },
  (table) => [
    index('sessions_user').on(table.userId, table.createdAt),
    index('sessions_revoked').on(table.revokedAt).where(sql`revoked_at is not null`),
    index('sessions_token_expires').on(table.tokenExpiresAt),
    index('sessions_parent').on(table.parentId).where(sql`parent_id is not null`),
  ],
)

export const signingKeys = sqliteTable('signing_keys', {
  kid: text('kid').primaryKey(),
  // Given by the writer, one more than the last: of two processes that make the next key, one wins.
  position: integer('position').notNull().unique(),
  publicJwk: text('public_jwk').notNull(),
  sealedPrivateKey: text('sealed_private_key').notNull(),
  createdAt: integer('created_at').notNull(),
  signsFrom: integer('signs_from').notNull(),
  retiresAt: integer('retires_at'),
  // What its signatures are for: `access` tokens, or `id_token`s, whose keys are published apart. Bound into the seal.
  use: text('use', { enum: ['access', 'id_token'] })
    .notNull()
    .default('access'),
  alg: text('alg', { enum: ['ES256', 'RS256'] })
    .notNull()
    .default('ES256'),
})

// Random keys that what must outlive SECRET_KEY hangs on, each sealed with it: another SECRET_KEY seals them anew.
export const dataKeys = sqliteTable('data_keys', {
  // What the key is for.
  name: text('name').primaryKey(),
  sealedKey: text('sealed_key').notNull(),
  // When it was sealed with the secret in force.
  sealedAt: integer('sealed_at').notNull(),
})

// What people prove beside their password.
export const factors = sqliteTable(
  'factors',
  {
    id: text('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['totp', 'passkey'] }).notNull(),
    name: text('name'),
    // Sealed with the data key.
    secret: text('secret'),
    // The step of the last code that was taken: neither that code nor an older one is taken again.
    lastStep: integer('last_step').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    // Null until its owner has shown a first code: such a factor is never asked for.
    confirmedAt: integer('confirmed_at'),
    lastUsedAt: integer('last_used_at'),
    // Of a passkey: its credential id, and its public key as COSE, both in base64url.
    credentialId: text('credential_id').unique(),
    publicKey: text('public_key'),
    // The RP_ID that it was made for: under another one, no browser offers it.
    rpId: text('rp_id'),
    // How browsers reach its device: words with a space between them.
    transports: text('transports'),
    // What it last counted, for the audit log alone: passkeys that are synchronized count nothing.
    counter: integer('counter'),
    // Whether it can be copied to other devices, which never changes, and whether it is.
    isBackupEligible: integer('is_backup_eligible', { mode: 'boolean' }),
    isBackedUp: integer('is_backed_up', { mode: 'boolean' }),
  },
  (table) => [index('factors_user').on(table.userId)],
)

// The challenges that passkeys have answered, each as a hash, until they expire: none is taken twice.
export const usedChallenges = sqliteTable(
  'used_challenges',
  {
    hash: text('hash').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('used_challenges_expires').on(table.expiresAt)],
)

// Recovery codes that have not been used, each as an HMAC under the data key.
export const recoveryCodes = sqliteTable(
  'recovery_codes',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    codeHash: text('code_hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.codeHash] })],
)

export const throttle = sqliteTable(
  'throttle',
  {
    key: text('key').primaryKey(),
    tries: integer('tries').notNull(),
    until: integer('until').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [index('throttle_updated').on(table.updatedAt)],
)

// Networks from which accounts logged in lately, each as an HMAC: they have a budget of failed log-ins of their own.
export const knownNetworks = sqliteTable(
  'known_networks',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    network: text('network').notNull(),
    lastLoginAt: integer('last_login_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.network] }),
    index('known_networks_network').on(table.network, table.lastLoginAt),
    index('known_networks_last_login').on(table.lastLoginAt),
  ],
)

export const todos = sqliteTable(
  'todos',
  {
    id: idByOwner('todos'),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    title: text('title').notNull(),
    description: text('description'),
    done: integer('done', { mode: 'boolean' }).notNull().default(false),
    dueAt: integer('due_at'),
    version: integer('version').notNull().default(1),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.id] })],
)

export const tutorials = sqliteTable(
  'tutorials',
  {
    id: idByOwner('tutorials'),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    description: text('description').notNull(),
    version: integer('version').notNull().default(1),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.id] })],
)

export const events = sqliteTable(
  'events',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    type: text('type').notNull(),
    // No foreign keys: what happened stays on record when the people are gone.
    userId: integer('user_id'),
    actorId: integer('actor_id'),
    sessionId: text('session_id'),
    ip: text('ip'),
    requestId: text('request_id'),
    reason: text('reason'),
    createdAt: integer('created_at').notNull(),
    // The client that did it, where it was no user.
    actorClientId: text('actor_client_id'),
  },
  (table) => [
    index('events_user').on(table.userId, table.id),
    index('events_type').on(table.type, table.id),
    index('events_created').on(table.createdAt),
  ],
)

// What the links and codes in mails, and the tokens that admins and the command line make, are good for, once.
export const oneTimeTokens = sqliteTable(
  'one_time_tokens',
  {
    // 128 random bits. A token is this id and a MAC over the row, so a copy of the table opens nothing.
    id: text('id').primaryKey(),
    purpose: text('purpose', {
      enum: [
        ...(['password_reset', 'email_verification', 'email_change', 'email_undo', 'invitation', 'login'] as const),
        ...(['enrollment', 'enrollment_link'] as const),
      ],
    }).notNull(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    // The address that whoever holds the token has proved; empty for a token that was handed over.
    target: text('target').notNull(),
    // Wrong codes so far.
    tries: integer('tries').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    // The admin who made it, who must still be one when it is used; null for the command line and the person.
    createdBy: integer('created_by'),
  },
  (table) => [
    // An account has one of a purpose at most: the last.
    uniqueIndex('one_time_tokens_user').on(table.userId, table.purpose),
    index('one_time_tokens_target').on(table.target),
  ],
)

// Mails that have yet to leave. They hold no token and no code: those are made when a mail leaves.
export const outbox = sqliteTable(
  'outbox',
  {
    // Random: the Message-ID of the mail.
    id: text('id').primaryKey(),
    purpose: text('purpose').notNull(),
    // In its folded form, whoever owns it. What a stranger asks for is stored alike for known and unknown addresses.
    address: text('address').notNull(),
    // No foreign key: the mail of an account that is gone is dropped when it is due.
    userId: integer('user_id'),
    locale: text('locale'),
    attempts: integer('attempts').notNull().default(0),
    // The next attempt; of a mail that is being sent, the time from which another process may try.
    dueAt: integer('due_at').notNull(),
    createdAt: integer('created_at').notNull(),
    // The one-time token that was made for it: a second attempt sends the same one.
    tokenId: text('token_id'),
  },
  (table) => [index('outbox_due').on(table.dueAt)],
)

// OAuth clients: services, scripts and applications with an identity of their own.
export const clients = sqliteTable(
  'clients',
  {
    // Given out once: the row of a deleted client stays, so that its tokens can never name another one.
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    isActive: integer('is_active', { mode: 'boolean' }).notNull().default(true),
    // How it authenticates, as RFC 7591 names it.
    authMethod: text('auth_method', {
      enum: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    }).notNull(),
    // SHA-256 of the secret, which has 256 random bits; the other one is valid too while a secret is replaced.
    secretHash: text('secret_hash'),
    olderSecretHash: text('older_secret_hash'),
    // A JWK Set (RFC 7517) of public keys, for private_key_jwt.
    jwks: text('jwks'),
    // Words with a space between them.
    grantTypes: text('grant_types').notNull().default(''),
    scope: text('scope').notNull().default(''),
    resources: text('resources').notNull().default(''),
    redirectUris: text('redirect_uris').notNull().default(''),
    postLogoutRedirectUris: text('post_logout_redirect_uris').notNull().default(''),
    idTokenAlgorithm: text('id_token_algorithm', { enum: ['RS256', 'ES256'] })
      .notNull()
      .default('RS256'),
    // The operator's own: AUDIENCE is the audience of its tokens, and nobody is asked for consent.
    isFirstParty: integer('is_first_party', { mode: 'boolean' }).notNull().default(false),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    deletedAt: integer('deleted_at'),
    requiresPkce: integer('requires_pkce', { mode: 'boolean' }).notNull().default(true),
  },
  (table) => [index('clients_updated').on(table.updatedAt)],
)

// The `jti` of signed client assertions (RFC 7523) that were used, each with its client as a hash: none is taken twice.
export const clientAssertions = sqliteTable(
  'client_assertions',
  {
    hash: text('hash').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('client_assertions_expires').on(table.expiresAt)],
)

// Access tokens without a session that their client revoked, until they expire.
export const revokedTokens = sqliteTable(
  'revoked_tokens',
  {
    jti: text('jti').primaryKey(),
    clientId: text('client_id').notNull(),
    revokedAt: integer('revoked_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    index('revoked_tokens_client').on(table.clientId),
    index('revoked_tokens_revoked').on(table.revokedAt),
    index('revoked_tokens_expires').on(table.expiresAt),
  ],
)

// Keys that people make for their own scripts.
export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: integer('user_id').notNull(),
    name: text('name').notNull(),
    // SHA-256 of the key, which has 256 random bits.
    keyHash: text('key_hash').notNull().unique(),
    // Words with a space between them.
    scope: text('scope').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    lastUsedAt: integer('last_used_at'),
    revokedAt: integer('revoked_at'),
  },
  (table) => [
    index('api_keys_user').on(table.userId, table.createdAt),
    index('api_keys_revoked').on(table.revokedAt).where(sql`revoked_at is not null`),
    index('api_keys_expires').on(table.expiresAt),
  ],
)

// The old ids that `latchkey import` keeps: above the last one that was given out before, and reserved since.
export const imports = sqliteTable('imports', {
  // The source and the kind of row.
  key: text('key').primaryKey(),
  after: integer('after').notNull(),
  until: integer('until').notNull(),
  createdAt: integer('created_at').notNull(),
})

export const importedIds = sqliteTable(
  'imported_ids',
  {
    id: integer('id').primaryKey({ autoIncrement: true }),
    source: text('source').notNull(),
    kind: text('kind', { enum: ['user', 'tutorial', 'todo'] }).notNull(),
    oldId: text('old_id').notNull(),
    // No foreign key: what was deleted here is not imported again.
    newId: integer('new_id').notNull(),
    // The user name as it was, for old tokens that name their user by it.
    oldName: text('old_name'),
    // Old tokens issued before are refused: the user has logged out everywhere, or has another password.
    notBefore: integer('not_before'),
  },
  (table) => [
    uniqueIndex('imported_ids_old').on(table.source, table.kind, table.oldId),
    index('imported_ids_name').on(table.source, table.oldName),
    index('imported_ids_new').on(table.kind, table.newId),
  ],
)

// What somebody has let a client of others do: the client gets codes for it without asking again.
export const consents = sqliteTable(
  'consents',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    clientId: text('client_id').notNull(),
    // Words with a space between them.
    scope: text('scope').notNull(),
    grantedAt: integer('granted_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.clientId] })],
)
