import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'

// The same tables, columns and order as in schema.sqlite.ts; database.ts checks this at compile time. Every time is an
// integer: milliseconds since 1970, by the clock of the database.

export const users = pgTable(
  'users',
  {
    // Identity: an id is never reused, so a token of a deleted user can never name a new user.
    id: bigint('id', { mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
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
    isActive: boolean('is_active').notNull().default(true),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
    // The case-folded name, for searches. SQLite itself folds only ASCII.
    nameKey: text('name_key'),
    // Incremented when credentials or permissions change, but not when the same password is re-hashed. A session is
    // created only if the version is still the version that was authenticated.
    authVersion: bigint('auth_version', { mode: 'number' }).notNull().default(0),
    // When the address was last verified; null for an unverified address.
    emailVerifiedAt: bigint('email_verified_at', { mode: 'number' }),
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
  // Set by the writer to the last position plus one: if two processes add a key at once, the unique index lets only one
  // succeed.
  position: bigint('position', { mode: 'number' }).notNull().unique(),
  publicJwk: text('public_jwk').notNull(),
  sealedPrivateKey: text('sealed_private_key').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  signsFrom: bigint('signs_from', { mode: 'number' }).notNull(),
  retiresAt: bigint('retires_at', { mode: 'number' }),
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
export const dataKeys = pgTable('data_keys', {
  // The purpose of the key.
  name: text('name').primaryKey(),
  sealedKey: text('sealed_key').notNull(),
  // When the key was encrypted with the current secret.
  sealedAt: bigint('sealed_at', { mode: 'number' }).notNull(),
})

// Second factors.
export const factors = pgTable(
  'factors',
  {
    id: text('id').primaryKey(),
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['totp', 'passkey'] }).notNull(),
    name: text('name'),
    // Encrypted with the data key.
    secret: text('secret'),
    // The time step of the last accepted code. That code and older codes are refused, against replay.
    lastStep: bigint('last_step', { mode: 'number' }).notNull().default(0),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    // Null until the owner has entered a first code. An unconfirmed factor is never required at log-in.
    confirmedAt: bigint('confirmed_at', { mode: 'number' }),
    lastUsedAt: bigint('last_used_at', { mode: 'number' }),
    // For a passkey: credential id and COSE public key, both in base64url.
    credentialId: text('credential_id').unique(),
    publicKey: text('public_key'),
    // The RP_ID of the passkey. Under another RP_ID no browser offers the passkey.
    rpId: text('rp_id'),
    // How browsers reach the authenticator, space-separated.
    transports: text('transports'),
    // The last signature counter, only for the audit log: synchronised passkeys always report 0.
    counter: bigint('counter', { mode: 'number' }),
    // Whether the passkey can be synchronised to other devices (never changes), and whether it is.
    isBackupEligible: boolean('is_backup_eligible'),
    isBackedUp: boolean('is_backed_up'),
  },
  (table) => [index('factors_user').on(table.userId)],
)

// Hashes of used passkey challenges, until they expire: each challenge is accepted once.
export const usedChallenges = pgTable(
  'used_challenges',
  {
    hash: text('hash').primaryKey(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('used_challenges_expires').on(table.expiresAt)],
)

// Unused recovery codes, each as an HMAC under the data key.
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

// Networks from which accounts logged in recently, each as an HMAC. They have a separate budget of failed log-ins.
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
    // No foreign keys: events outlive the accounts.
    userId: bigint('user_id', { mode: 'number' }),
    actorId: bigint('actor_id', { mode: 'number' }),
    sessionId: text('session_id'),
    ip: text('ip'),
    requestId: text('request_id'),
    reason: text('reason'),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
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
export const oneTimeTokens = pgTable(
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
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    // The address that the token verifies; empty for a token that an admin hands over.
    target: text('target').notNull(),
    // Wrong codes so far.
    tries: integer('tries').notNull().default(0),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
    // The admin who created the token, and who must still be an admin when it is used. Null for the command line and
    // the account owner.
    createdBy: bigint('created_by', { mode: 'number' }),
  },
  (table) => [
    // An account has at most one token per purpose: the latest.
    uniqueIndex('one_time_tokens_user').on(table.userId, table.purpose),
    index('one_time_tokens_target').on(table.target),
  ],
)

// Pending mails. They contain no token or code: a token is created when the mail is sent.
export const outbox = pgTable(
  'outbox',
  {
    // Random. Also the Message-ID of the mail.
    id: text('id').primaryKey(),
    purpose: text('purpose').notNull(),
    // The normalised address, of any account or none. Requests are stored alike for known and unknown addresses, so
    // that they do not reveal which addresses have an account.
    address: text('address').notNull(),
    // No foreign key: the mail of a deleted account is dropped when due.
    userId: bigint('user_id', { mode: 'number' }),
    locale: text('locale'),
    attempts: integer('attempts').notNull().default(0),
    // The time of the next attempt. While a mail is being sent, the time after which another process may retry.
    dueAt: bigint('due_at', { mode: 'number' }).notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    // The one-time token of the mail. A second attempt sends the same token.
    tokenId: text('token_id'),
  },
  (table) => [index('outbox_due').on(table.dueAt)],
)

// OAuth clients: services, scripts and applications with their own identity.
export const clients = pgTable(
  'clients',
  {
    // Never reused: the row of a deleted client stays, so that its tokens can never name another client.
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    isActive: boolean('is_active').notNull().default(true),
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
    isFirstParty: boolean('is_first_party').notNull().default(false),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    updatedAt: bigint('updated_at', { mode: 'number' }).notNull(),
    deletedAt: bigint('deleted_at', { mode: 'number' }),
    requiresPkce: boolean('requires_pkce').notNull().default(true),
  },
  (table) => [index('clients_updated').on(table.updatedAt)],
)

// Hashes of the `jti` and client of used client assertions (RFC 7523): each assertion is accepted once.
export const clientAssertions = pgTable(
  'client_assertions',
  {
    hash: text('hash').primaryKey(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('client_assertions_expires').on(table.expiresAt)],
)

// Revoked access tokens without a session, until they expire.
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

// API keys of users, for their own scripts.
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    // No foreign key: the row outlives its user, so that other processes still learn of the revocation.
    userId: bigint('user_id', { mode: 'number' }).notNull(),
    name: text('name').notNull(),
    // SHA-256 of the key, which contains 256 random bits.
    keyHash: text('key_hash').notNull().unique(),
    // Space-separated.
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

// The range of old ids that `latchkey import` keeps: above `after`, the last id assigned before the import, up to
// `until`, the last reserved id.
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
    // No foreign key: a deleted row is not imported again.
    newId: bigint('new_id', { mode: 'number' }).notNull(),
    // The username in the old system, for legacy tokens that name their user by username.
    oldName: text('old_name'),
    // Legacy tokens issued before this time are refused: the user has logged out everywhere or changed the password.
    notBefore: bigint('not_before', { mode: 'number' }),
  },
  (table) => [
    uniqueIndex('imported_ids_old').on(table.source, table.kind, table.oldId),
    index('imported_ids_name').on(table.source, table.oldName),
    index('imported_ids_new').on(table.kind, table.newId),
  ],
)

// Consents of users to third-party clients. The client gets codes for this scope without asking again.
export const consents = pgTable(
  'consents',
  {
    userId: bigint('user_id', { mode: 'number' })
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    clientId: text('client_id').notNull(),
    // Space-separated.
    scope: text('scope').notNull(),
    grantedAt: bigint('granted_at', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.userId, table.clientId] })],
)
