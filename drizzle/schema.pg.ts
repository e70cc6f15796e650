import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'

// The twin of schema.sqlite.ts: same names, same columns, same order; database.ts holds them equal at compile time.
// Every time is an integer: milliseconds since 1970, by the database's clock.

export const users = pgTable(
  'users',
  {
    // Identity: an id is never given out twice, so a token of a deleted user can never name a new one.
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
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
    isActive: boolean('is_active').notNull().default(true),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
    // What a search finds the name by; the database itself folds ASCII alone.
    nameKey: text('name_key'),
    // One more with each change of how one logs in or of what one may do (not with a new hash of the same password): a session
    // begins only under the version that was just proved.
    authVersion: bigint('auth_version', { mode: 'number' }).notNull().default(0),
    // When the address was last proved; null for an address that was not.
    emailVerifiedAt: bigint('email_verified_at', { mode: 'number' }),
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
    unprovenUntil: bigint('unproven_until', { mode: 'number' }),
  },
  (table) => [index('users_pending_email').on(table.pendingEmailKey).where(sql`pending_email_key is not null`)],
)

export const sessions = pgTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: bigint('user_id', { mode: 'number' }).notNull(),
    generation: bigint('generation', { mode: 'number' }).notNull().default(0),
    ip: text('ip').notNull(),
    userAgent: text('user_agent'),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    lastUsedAt: bigint('last_used_at', { mode: 'number' }).notNull(),
    idleExpiresAt: bigint('idle_expires_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
    tokenExpiresAt: bigint('token_expires_at', { mode: 'number' }).notNull(),
    revokedAt: bigint('revoked_at', { mode: 'number' }),
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
    authTime: bigint('auth_time', { mode: 'number' }).notNull().default(0),
  },
  (table) => [
    index('sessions_user').on(table.userId, table.createdAt),
    index('sessions_revoked').on(table.revokedAt).where(sql`revoked_at is not null`),
    index('sessions_token_expires').on(table.tokenExpiresAt),
    index('sessions_parent').on(table.parentId).where(sql`parent_id is not null`),
  ],
)

export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  // Given by the writer, one more than the last: of two processes that make the next key, one wins.
  position: bigint('position', { mode: 'number' }).notNull().unique(),
  publicJwk: text('public_jwk').notNull(),
  sealedPrivateKey: text('sealed_private_key').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  signsFrom: bigint('signs_from', { mode: 'number' }).notNull(),
  retiresAt: bigint('retires_at', { mode: 'number' }),
  // What its signatures are for: `access` tokens, or `id_token`s, whose keys are published apart. Bound into the seal.
  use: text('use', { enum: ['access', 'id_token'] })
    .notNull()
    .default('access'),
  alg: text('alg', { enum: ['ES256', 'RS256'] })
    .notNull()
    .default('ES256'),
})

// Random keys that what must outlive SECRET_KEY hangs on, each sealed with it: another SECRET_KEY seals them anew.
export const dataKeys = pgTable('data_keys', {
  // What the key is for.
  name: text('name').primaryKey(),
  sealedKey: text('sealed_key').notNull(),
  // When it was sealed with the secret in force.
  sealedAt: bigint('sealed_at', { mode: 'number' }).notNull(),
})

// What people prove beside their password.
export const factors = pgTable(
  'factors',
  {
    id: text('id').primaryKey(),
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['totp', 'passkey'] }).notNull(),
    name: text('name'),
    // Sealed with the data key.
    secret: text('secret'),
    // The step of the last code that was taken: neither that code nor an older one is taken again.
    lastStep: bigint('last_step', { mode: 'number' }).notNull().default(0),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    // Null until its owner has shown a first code: such a factor is never asked for.
    confirmedAt: bigint('confirmed_at', { mode: 'number' }),
    lastUsedAt: bigint('last_used_at', { mode: 'number' }),
    // Of a passkey: its credential id, and its public key as COSE, both in base64url.
    credentialId: text('credential_id').unique(),
    publicKey: text('public_key'),
    // The RP_ID that it was made for: under another one, no browser offers it.
    rpId: text('rp_id'),
    // How browsers reach its device: words with a space between them.
    transports: text('transports'),
    // What it last counted, for the audit log alone: passkeys that are synchronized count nothing.
    counter: bigint('counter', { mode: 'number' }),
    // Whether it can be copied to other devices, which never changes, and whether it is.
    isBackupEligible: boolean('is_backup_eligible'),
    isBackedUp: boolean('is_backed_up'),
  },
  (table) => [index('factors_user').on(table.userId)],
)

// The challenges that passkeys have answered, each as a hash, until they expire: none is taken twice.
export const usedChallenges = pgTable(
  'used_challenges',
  {
    hash: text('hash').primaryKey(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('used_challenges_expires').on(table.expiresAt)],
)

// Recovery codes that have not been used, each as an HMAC under the data key.
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    codeHash: text('code_hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.codeHash] })],
)

export const throttle = pgTable(
  'throttle',
  {
    key: text('key').primaryKey(),
    tries: bigint('tries', { mode: 'number' }).notNull(),
    until: bigint('until', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('throttle_updated').on(table.updatedAt)],
)

// Networks from which accounts logged in lately, each as an HMAC: they have a budget of failed log-ins of their own.
export const knownNetworks = pgTable(
  'known_networks',
  {
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    network: text('network').notNull(),
    lastLoginAt: bigint('last_login_at', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.network] }),
    index('known_networks_network').on(table.network, table.lastLoginAt),
    index('known_networks_last_login').on(table.lastLoginAt),
  ],
)

export const todos = pgTable(
  'todos',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    title: text('title').notNull(),
    description: text('description'),
    done: boolean('done').notNull().default(false),
    dueAt: bigint('due_at', { mode: 'number' }),
    version: bigint('version', { mode: 'number' }).notNull().default(1),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('todos_user').on(table.userId, table.id)],
)

export const tutorials = pgTable(
  'tutorials',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    description: text('description').notNull(),
    version: bigint('version', { mode: 'number' }).notNull().default(1),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('tutorials_user').on(table.userId, table.id)],
)

export const events = pgTable(
  'events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    type: text('type').notNull(),
    // No foreign keys: what happened stays on record when the people are gone.
    userId: bigint('user_id', { mode: 'number' }),
    actorId: bigint('actor_id', { mode: 'number' }),
    sessionId: text('session_id'),
    ip: text('ip'),
    requestId: text('request_id'),
    reason: text('reason'),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
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
export const oneTimeTokens = pgTable(
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
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    // The address that whoever holds the token has proved; empty for a token that was handed over.
    target: text('target').notNull(),
    // Wrong codes so far.
    tries: integer('tries').notNull().default(0),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
    // The admin who made it, who must still be one when it is used; null for the command line and the person.
    createdBy: bigint('created_by', { mode: 'number' }),
  },
  (table) => [
    // An account has one of a purpose at most: the last.
    uniqueIndex('one_time_tokens_user').on(table.userId, table.purpose),
    index('one_time_tokens_target').on(table.target),
  ],
)

// Mails that have yet to leave. They hold no token and no code: those are made when a mail leaves.
export const outbox = pgTable(
  'outbox',
  {
    // Random: the Message-ID of the mail.
    id: text('id').primaryKey(),
    purpose: text('purpose').notNull(),
    // In its folded form, whoever owns it. What a stranger asks for is stored alike for known and unknown addresses.
    address: text('address').notNull(),
    // No foreign key: the mail of an account that is gone is dropped when it is due.
    userId: bigint('user_id', { mode: 'number' }),
    locale: text('locale'),
    attempts: integer('attempts').notNull().default(0),
    // The next attempt; of a mail that is being sent, the time from which another process may try.
    dueAt: bigint('due_at', { mode: 'number' }).notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    // The one-time token that was made for it: a second attempt sends the same one.
    tokenId: text('token_id'),
  },
  (table) => [index('outbox_due').on(table.dueAt)],
)

// OAuth clients: services, scripts and applications with an identity of their own.
export const clients = pgTable(
  'clients',
  {
    // Given out once: the row of a deleted client stays, so that its tokens can never name another one.
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    isActive: boolean('is_active').notNull().default(true),
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
    isFirstParty: boolean('is_first_party').notNull().default(false),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
    deletedAt: bigint('deleted_at', { mode: 'number' }),
    requiresPkce: boolean('requires_pkce').notNull().default(true),
  },
  (table) => [index('clients_updated').on(table.updatedAt)],
)

// The `jti` of signed client assertions (RFC 7523) that were used, each with its client as a hash: none is taken twice.
export const clientAssertions = pgTable(
  'client_assertions',
  {
    hash: text('hash').primaryKey(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('client_assertions_expires').on(table.expiresAt)],
)

// Access tokens without a session that their client revoked, until they expire.
export const revokedTokens = pgTable(
  'revoked_tokens',
  {
    jti: text('jti').primaryKey(),
    clientId: text('client_id').notNull(),
    revokedAt: bigint('revoked_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [
    index('revoked_tokens_client').on(table.clientId),
    index('revoked_tokens_revoked').on(table.revokedAt),
    index('revoked_tokens_expires').on(table.expiresAt),
  ],
)

// Keys that people make for their own scripts.
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: bigint('user_id', { mode: 'number' }).notNull(),
    name: text('name').notNull(),
    // SHA-256 of the key, which has 256 random bits.
    keyHash: text('key_hash').notNull().unique(),
    // Words with a space between them.
    scope: text('scope').notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
    lastUsedAt: bigint('last_used_at', { mode: 'number' }),
    revokedAt: bigint('revoked_at', { mode: 'number' }),
  },
  (table) => [
    index('api_keys_user').on(table.userId, table.createdAt),
    index('api_keys_revoked').on(table.revokedAt).where(sql`revoked_at is not null`),
    index('api_keys_expires').on(table.expiresAt),
  ],
)

// The old ids that `latchkey import` keeps: above the last one that was given out before, and reserved since.
export const imports = pgTable('imports', {
  // The source and the kind of row.
  key: text('key').primaryKey(),
  after: bigint('after', { mode: 'number' }).notNull(),
  until: bigint('until', { mode: 'number' }).notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
})

export const importedIds = pgTable(
  'imported_ids',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    source: text('source').notNull(),
    kind: text('kind', { enum: ['user', 'tutorial', 'todo'] }).notNull(),
    oldId: text('old_id').notNull(),
    // No foreign key: what was deleted here is not imported again.
    newId: bigint('new_id', { mode: 'number' }).notNull(),
    // The user name as it was, for old tokens that name their user by it.
    oldName: text('old_name'),
    // Old tokens issued before are refused: the user has logged out everywhere, or has another password.
    notBefore: bigint('not_before', { mode: 'number' }),
  },
  (table) => [
    uniqueIndex('imported_ids_old').on(table.source, table.kind, table.oldId),
    index('imported_ids_name').on(table.source, table.oldName),
    index('imported_ids_new').on(table.kind, table.newId),
  ],
)

// What somebody has let a client of others do: the client gets codes for it without asking again.
export const consents = pgTable(
  'consents',
  {
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    clientId: text('client_id').notNull(),
    // Words with a space between them.
    scope: text('scope').notNull(),
    grantedAt: bigint('granted_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.clientId] })],
)
