import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

// The same tables, columns and order as in schema.pg.ts; database.ts checks this at compile time. Every time is an
// integer: milliseconds since 1970, by the clock of the database.

/**
 * The id column of a table clustered by owner: the key is (user_id, id), so the rows of a user are adjacent in the
 * file. AUTOINCREMENT does not work there, so row_ids holds the last id, maintained by a trigger (generate.mjs). An
 * insert of several rows must specify their ids: the default would give all of them the same id, which the trigger
 * refuses.
 */
function idByOwner(table: string) {
  return integer('id')
    .notNull()
    .$defaultFn(() => sql`(select last + 1 from row_ids where name = ${table})`)
}

export const users = sqliteTable(
  'users',
  {
    // AUTOINCREMENT: an id is never reused, so a token of a deleted user can never name a new user.
    id: integer('id').primaryKey({ autoIncrement: true }),
    username: text('username'),
    usernameKey: text('username_key').unique(),
    email: text('email'),
    emailKey: text('email_key').unique(),
    name: text('name'),
    // Null without a password: no log-in with a password is possible.
    passwordHash: text('password_hash'),
    role: text('role', { enum: ['user', 'admin'] })
      .notNull()
      .default('user'),
    isActive: integer('is_active', { mode: 'boolean' }).notNull().default(true),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    // The case-folded name, for searches. SQLite itself folds only ASCII.
    nameKey: text('name_key'),
    // Incremented when credentials or permissions change, but not when the same password is re-hashed. A session is
    // created only if the version is still the version that was authenticated.
    authVersion: integer('auth_version').notNull().default(0),
    // When the address was last verified; null for an unverified address.
    emailVerifiedAt: integer('email_verified_at'),
    // The address that replaces the current address once verified.
    pendingEmail: text('pending_email'),
    // The language for messages to the user, as a BCP 47 tag.
    locale: text('locale'),
    // The user's roles in the operator's other services, space-separated.
    roles: text('roles').notNull().default(''),
    // The look-up key of the pending address. Not unique: the first user to verify an address gets it.
    pendingEmailKey: text('pending_email_key'),
    // For an account that must verify its address before the first log-in: the deadline, after which the account is
    // deleted. Null for every account that may log in.
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
    // How often the previous refresh token was repeated within the reuse window.
    repetitions: integer('repetitions').notNull().default(0),
    // `api`: with a refresh token. `compat`: a single access token without a refresh token, from a tutorial endpoint.
    // `browser`: the cookie of the pages.
    kind: text('kind', { enum: ['api', 'browser', 'compat'] })
      .notNull()
      .default('api'),
    // The OAuth client that the tokens are for.
    clientId: text('client_id').notNull().default('latchkey'),
    // The space-separated scope of the tokens. Null for Latchkey itself.
    scope: text('scope'),
    // The session whose end also ends this session.
    parentId: text('parent_id'),
    // The authentication methods: space-separated values of RFC 8176.
    amr: text('amr').notNull().default('pwd'),
    // When the user authenticated; 0 if unknown.
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
  // Set by the writer to the last position plus one: if two processes add a key at once, the unique index lets only one
  // succeed.
  position: integer('position').notNull().unique(),
  publicJwk: text('public_jwk').notNull(),
  sealedPrivateKey: text('sealed_private_key').notNull(),
  createdAt: integer('created_at').notNull(),
  signsFrom: integer('signs_from').notNull(),
  retiresAt: integer('retires_at'),
  // The use of the signatures: `access` tokens, or `id_token`s, whose keys are published separately. The encryption
  // authenticates the use.
  use: text('use', { enum: ['access', 'id_token'] })
    .notNull()
    .default('access'),
  alg: text('alg', { enum: ['ES256', 'RS256'] })
    .notNull()
    .default('ES256'),
})

// Random keys for data that must survive a change of SECRET_KEY. Each key is encrypted with SECRET_KEY and re-encrypted
// when SECRET_KEY changes.
export const dataKeys = sqliteTable('data_keys', {
  // The purpose of the key.
  name: text('name').primaryKey(),
  sealedKey: text('sealed_key').notNull(),
  // When the key was encrypted with the current secret.
  sealedAt: integer('sealed_at').notNull(),
})

// Second factors.
export const factors = sqliteTable(
  'factors',
  {
    id: text('id').primaryKey(),
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['totp', 'passkey'] }).notNull(),
    name: text('name'),
    // Encrypted with the data key.
    secret: text('secret'),
    // The time step of the last accepted code. That code and older codes are refused, against replay.
    lastStep: integer('last_step').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    // Null until the owner has entered a first code. An unconfirmed factor is never required at log-in.
    confirmedAt: integer('confirmed_at'),
    lastUsedAt: integer('last_used_at'),
    // For a passkey: credential id and COSE public key, both in base64url.
    credentialId: text('credential_id').unique(),
    publicKey: text('public_key'),
    // The RP_ID of the passkey. Under another RP_ID no browser offers the passkey.
    rpId: text('rp_id'),
    // How browsers reach the authenticator, space-separated.
    transports: text('transports'),
    // The last signature counter, only for the audit log: synchronised passkeys always report 0.
    counter: integer('counter'),
    // Whether the passkey can be synchronised to other devices (never changes), and whether it is.
    isBackupEligible: integer('is_backup_eligible', { mode: 'boolean' }),
    isBackedUp: integer('is_backed_up', { mode: 'boolean' }),
  },
  (table) => [index('factors_user').on(table.userId)],
)

// Hashes of used passkey challenges, until they expire: each challenge is accepted once.
export const usedChallenges = sqliteTable(
  'used_challenges',
  {
    hash: text('hash').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('used_challenges_expires').on(table.expiresAt)],
)

// Unused recovery codes, each as an HMAC under the data key.
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

// Networks from which accounts logged in recently, each as an HMAC. They have a separate budget of failed log-ins.
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
    // No foreign keys: events outlive the accounts.
    userId: integer('user_id'),
    actorId: integer('actor_id'),
    sessionId: text('session_id'),
    ip: text('ip'),
    requestId: text('request_id'),
    reason: text('reason'),
    createdAt: integer('created_at').notNull(),
    // The client that acted, if no user did.
    actorClientId: text('actor_client_id'),
  },
  (table) => [
    index('events_user').on(table.userId, table.id),
    index('events_type').on(table.type, table.id),
    index('events_created').on(table.createdAt),
  ],
)

// One-time tokens: the links and codes in mails, and the tokens that admins and the command line create.
export const oneTimeTokens = sqliteTable(
  'one_time_tokens',
  {
    // 128 random bits. A token is this id and a MAC over the row, so a stolen copy of the table yields no token.
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
    // The address that the token verifies; empty for a token that an admin hands over.
    target: text('target').notNull(),
    // Wrong codes so far.
    tries: integer('tries').notNull().default(0),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    // The admin who created the token, and who must still be an admin when it is used. Null for the command line and
    // the account owner.
    createdBy: integer('created_by'),
  },
  (table) => [
    // An account has at most one token per purpose: the latest.
    uniqueIndex('one_time_tokens_user').on(table.userId, table.purpose),
    index('one_time_tokens_target').on(table.target),
  ],
)

// Pending mails. They contain no token or code: a token is created when the mail is sent.
export const outbox = sqliteTable(
  'outbox',
  {
    // Random. Also the Message-ID of the mail.
    id: text('id').primaryKey(),
    purpose: text('purpose').notNull(),
    // The normalised address, of any account or none. Requests are stored alike for known and unknown addresses, so
    // that they do not reveal which addresses have an account.
    address: text('address').notNull(),
    // No foreign key: the mail of a deleted account is dropped when due.
    userId: integer('user_id'),
    locale: text('locale'),
    attempts: integer('attempts').notNull().default(0),
    // The time of the next attempt. While a mail is being sent, the time after which another process may retry.
    dueAt: integer('due_at').notNull(),
    createdAt: integer('created_at').notNull(),
    // The one-time token of the mail. A second attempt sends the same token.
    tokenId: text('token_id'),
  },
  (table) => [index('outbox_due').on(table.dueAt)],
)

// OAuth clients: services, scripts and applications with their own identity.
export const clients = sqliteTable(
  'clients',
  {
    // Never reused: the row of a deleted client stays, so that its tokens can never name another client.
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    isActive: integer('is_active', { mode: 'boolean' }).notNull().default(true),
    // The authentication method, as named in RFC 7591.
    authMethod: text('auth_method', {
      enum: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    }).notNull(),
    // SHA-256 of the secret, which contains 256 random bits. During a rotation the older secret is valid too.
    secretHash: text('secret_hash'),
    olderSecretHash: text('older_secret_hash'),
    // A JWK Set (RFC 7517) of public keys, for private_key_jwt.
    jwks: text('jwks'),
    // Space-separated.
    grantTypes: text('grant_types').notNull().default(''),
    scope: text('scope').notNull().default(''),
    resources: text('resources').notNull().default(''),
    redirectUris: text('redirect_uris').notNull().default(''),
    postLogoutRedirectUris: text('post_logout_redirect_uris').notNull().default(''),
    idTokenAlgorithm: text('id_token_algorithm', { enum: ['RS256', 'ES256'] })
      .notNull()
      .default('RS256'),
    // A client of the operator: its tokens have AUDIENCE as their audience, and users are not asked for consent.
    isFirstParty: integer('is_first_party', { mode: 'boolean' }).notNull().default(false),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    deletedAt: integer('deleted_at'),
    requiresPkce: integer('requires_pkce', { mode: 'boolean' }).notNull().default(true),
  },
  (table) => [index('clients_updated').on(table.updatedAt)],
)

// Hashes of the `jti` and client of used client assertions (RFC 7523): each assertion is accepted once.
export const clientAssertions = sqliteTable(
  'client_assertions',
  {
    hash: text('hash').primaryKey(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('client_assertions_expires').on(table.expiresAt)],
)

// Revoked access tokens without a session, until they expire.
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

// API keys of users, for their own scripts.
export const apiKeys = sqliteTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: integer('user_id').notNull(),
    name: text('name').notNull(),
    // SHA-256 of the key, which contains 256 random bits.
    keyHash: text('key_hash').notNull().unique(),
    // Space-separated.
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

// The range of old ids that `latchkey import` keeps: above `after`, the last id assigned before the import, up to
// `until`, the last reserved id.
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
    // No foreign key: a deleted row is not imported again.
    newId: integer('new_id').notNull(),
    // The username in the old system, for legacy tokens that name their user by username.
    oldName: text('old_name'),
    // Legacy tokens issued before this time are refused: the user has logged out everywhere or changed the password.
    notBefore: integer('not_before'),
  },
  (table) => [
    uniqueIndex('imported_ids_old').on(table.source, table.kind, table.oldId),
    index('imported_ids_name').on(table.source, table.oldName),
    index('imported_ids_new').on(table.kind, table.newId),
  ],
)

// Consents of users to third-party clients. The client gets codes for this scope without asking again.
export const consents = sqliteTable(
  'consents',
  {
    userId: integer('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    clientId: text('client_id').notNull(),
    // Space-separated.
    scope: text('scope').notNull(),
    grantedAt: integer('granted_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.clientId] })],
)
