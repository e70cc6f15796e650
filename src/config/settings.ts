import { type StaticDecode, Type } from '@sinclair/typebox'
import { assertMailLinks, assertWebhookSecret, parseMailbox, parseMailUrl } from './mail-url.js'
import { assertLegacySecret, assertSecretKey } from './secrets.js'
import {
  address,
  bytes,
  checked,
  duration,
  list,
  oneOf,
  onOff,
  origin,
  url,
  wholeNumber,
  wholeNumberOrOff,
} from './setting-types.js'

/** Settings whose values are secrets: masked where settings are shown, and refused from a file that others may open. */
export const SECRET_SETTINGS = new Set(['SECRET_KEY', 'LEGACY_TOKENS', 'MAIL_WEBHOOK_SECRET'])

/** What is shown in place of a secret or a password. */
export const MASK = '********'

/** Every setting: its default, its bounds and what it means. The table of docs/settings.md and .env.example are made from this. */
export const Settings = Type.Object({
  HOST: Type.String({
    default: 'localhost',
    description: 'The address to listen on; `localhost` is both loopback addresses, `0.0.0.0` every IPv4 address.',
  }),
  PORT: wholeNumber(0, 65_535, { default: '3000', description: 'The port to listen on; 0 takes a free one.' }),
  DATABASE_URL: Type.String({
    default: 'sqlite:./data/latchkey.db',
    pattern: '^(sqlite:.+|postgres(ql)?://.+)',
    errorMessage:
      'must be sqlite:<path>, for example sqlite:./data/latchkey.db, or postgres://<user>@<host>/<database>',
    description: 'Where everything is kept: `sqlite:<path>`, or `postgres://user:password@host/database`.',
  }),
  POOL_SIZE: wholeNumber(1, 1_000, {
    default: '10',
    description: 'How many connections to PostgreSQL a process has.',
  }),
  WORKERS: wholeNumber(1, 64, {
    default: '1',
    description: 'How many processes serve on the port, at most one a core; more than one only with PostgreSQL.',
  }),
  SECRET_KEY: list(assertSecretKey, {
    default: '',
    description:
      'The one secret, at least 32 bytes; refresh tokens and sealed signing keys depend on it. Required with ' +
      'PostgreSQL; else one is made beside the SQLite file on the first start. A list `new,old` rotates it.',
  }),
  PUBLIC_URL: url({
    default: '',
    description:
      'The address that clients see: the `iss` of every token. A path in it is one that a proxy takes off. Required with PostgreSQL; else `http://localhost:PORT`.',
  }),
  AUDIENCE: Type.String({
    default: '',
    description: 'The `aud` of access tokens. By default PUBLIC_URL.',
  }),
  ACCESS_TOKEN_TTL: duration('1s', '1h', { default: '10m', description: 'How long an access token lives.' }),
  REFRESH_IDLE_TTL: duration('1s', '90d', {
    default: '14d',
    description: 'A session that is not refreshed for this long ends.',
  }),
  REFRESH_ABSOLUTE_TTL: duration('1s', '365d', {
    default: '30d',
    description: 'A session ends after this long, however often it is refreshed.',
  }),
  REFRESH_REUSE_WINDOW: duration('0s', '60s', {
    default: '10s',
    description: 'A refresh token just used is answered again for this long (two tabs, a lost answer); 0s is off.',
  }),
  PASSWORD_HASH: oneOf(['bcrypt', 'argon2id'], {
    default: 'bcrypt',
    description:
      'How passwords are hashed. argon2id takes a tenth of the processor, so that ten times as many people can log in, and ' +
      'ARGON2_MEMORY for each hash at work. Stored hashes of the other kind go on to work and are replaced at log-in.',
  }),
  BCRYPT_COST: wholeNumber(10, 15, { default: '12', description: 'The cost of a bcrypt hash, 2^n rounds.' }),
  ARGON2_MEMORY: bytes('7MiB', '128MiB', {
    default: '19MiB',
    description: 'The memory of an argon2id hash. The less it is, the more of ARGON2_PASSES are required.',
  }),
  ARGON2_PASSES: wholeNumber(1, 10, {
    default: '2',
    description:
      'The passes of an argon2id hash over its memory: with 7MiB at least 5, 9MiB 4, 12MiB 3, 19MiB 2, 46MiB 1.',
  }),
  HASH_QUEUE: wholeNumber(0, 10_000, {
    default: '32',
    description: 'How many log-ins may wait for a processor before 503.',
  }),
  PASSWORD_MIN_LENGTH: wholeNumber(1, 64, {
    default: '8',
    description: 'The shortest password allowed, in characters; 15 is advised where nothing else protects an account.',
  }),
  PASSWORD_BLOCKLIST: onOff({ default: 'on', description: "Refuse common passwords and one's own name." }),
  REGISTRATION: oneOf(['open', 'closed'], { default: 'open', description: 'Whether people may register themselves.' }),
  EMAIL_VERIFICATION: oneOf(['off', 'optional', 'required'], {
    default: 'off',
    description:
      'Whether addresses are confirmed by mail. `optional`: an unconfirmed one is lost to whoever confirms it. `required`: ' +
      'people register with an address, and log in once it is confirmed. Needs MAIL_URL; on localhost mails are files in ' +
      '`./data/mail` where MAIL_URL is not set.',
  }),
  EMAIL_LOGIN: onOff({
    default: 'off',
    description:
      'Whether people can log in with a code that is mailed to their confirmed address, in place of the password; a second ' +
      'factor is asked for all the same. Needs MAIL_URL, as EMAIL_VERIFICATION does.',
  }),
  PASSWORD_GRANT: onOff({ default: 'on', description: 'Whether /v1/token takes `grant_type=password`.' }),
  DOCS: onOff({ default: 'on', description: 'The page at /docs and the OpenAPI documents.' }),
  COMPAT: onOff({ default: 'on', description: 'The addresses of the five tutorial back ends this one stands in for.' }),
  COMPAT_WEAK_PASSWORDS: oneOf(['auto', 'on', 'off'], {
    default: 'auto',
    description:
      "Whether the tutorials' sign-ups take any password of 1 to 256 characters, as the tutorials do (`1234`). `auto`: " +
      'while HOST is a loopback address, without TRUST_PROXY and an https PUBLIC_URL. Where this is not set, a ' +
      'PASSWORD_MIN_LENGTH or PASSWORD_BLOCKLIST that is set binds there too.',
  }),
  LEGACY_TOKENS: list(assertLegacySecret, {
    default: '',
    description:
      'Secrets of the system that people came from, each with the day from which it counts no more: ' +
      "`secret@2027-01-31`, separated by commas. Until then its tokens of imported people are taken at the tutorials' " +
      'addresses. For an import with a name of its own: `secret@2027-01-31@name`.',
  }),
  PAGES: onOff({
    default: 'on',
    description:
      'The pages under /account, for people: a new password, an address, an invitation. They need an https PUBLIC_URL, or ' +
      'http on localhost.',
  }),
  MAIL_URL: checked(parseMailUrl, {
    default: '',
    description:
      'How mail is sent: `smtp://user:password@host:587` (STARTTLS is required, but on this machine), ' +
      '`smtps://user:password@host:465`, `https://host/path` (a signed POST for each mail), `file:./data/mail` ' +
      '(files, deleted after a day) or `off`. By default off.',
  }),
  MAIL_FROM: checked((value) => value === '' || parseMailbox(value), {
    default: '',
    description: 'The sender: `Example <no-reply@example.com>`. Required where MAIL_URL sends mail.',
  }),
  MAIL_WEBHOOK_SECRET: list(assertWebhookSecret, {
    default: '',
    description:
      'What the POSTs of an https MAIL_URL are signed with (Standard Webhooks): `whsec_` and the base64 of 24 to 64 ' +
      'bytes. A list `new,old` signs with each of them.',
  }),
  MAIL_LINKS: checked(assertMailLinks, {
    default: '',
    description:
      'The address of your own pages in mails, for example `https://app.example.com/{page}?token={token}`; `page` is ' +
      '`reset`, `verify` or `invitation`. By default the pages of PAGES; without any, mails carry a code alone.',
  }),
  MAIL_TEMPLATES: Type.String({
    default: '',
    description: 'A folder with your own texts of the mails; see docs/mail.md.',
  }),
  MAIL_ADDRESS_LIMIT: wholeNumber(1, 1_000, {
    default: '3',
    description: 'How many mails an hour anybody can have sent to one address; more are dropped without a word.',
  }),
  MAIL_NETWORK_LIMIT: wholeNumber(1, 1_000_000, {
    default: '20',
    description: 'How many mails an hour one network can have sent; more are dropped without a word.',
  }),
  LOGIN_THROTTLE: onOff({ default: 'on', description: 'The budget of failed log-ins per account and per network.' }),
  RATE_LIMIT: wholeNumberOrOff(1, 1_000_000, {
    default: '60',
    description:
      'Requests a minute of a network on all public credential routes together, counted by each process; refreshes are ' +
      'counted by session. Or `off`. Where this is not set, 600 while HOST is a loopback address, without TRUST_PROXY and an ' +
      'https PUBLIC_URL.',
  }),
  TRUST_PROXY: list(address, {
    default: '',
    description: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed, separated by commas.',
  }),
  CORS_ORIGINS: list(origin, {
    default: '',
    description: 'Origins of web pages that may call this service, exact, separated by commas.',
  }),
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000, {
    default: '20000',
    description: 'How many connections a process keeps open; more are closed at once.',
  }),
  MAX_EVENT_LOOP_DELAY: wholeNumberOrOff(50, 60_000, {
    default: '250',
    description:
      'When the process is this late, in milliseconds, new requests get 503 until it has caught up; or `off`.',
  }),
  BODY_LIMIT: bytes('1KiB', '1MiB', { default: '64KiB', description: 'The largest request body.' }),
  MAX_ROWS_PER_USER: wholeNumber(1, 1_000_000_000, {
    default: '100000',
    description:
      'How many todos, and how many tutorials, an account may have; each further process may pass it by 1,000.',
  }),
  EVENTS_RETENTION: duration('1d', '3650d', { default: '90d', description: 'How long the audit log is kept.' }),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    default: 'info',
    description: 'How much is logged on standard output.',
  }),
  LOG_FORMAT: oneOf(['auto', 'json', 'text'], {
    default: 'auto',
    description:
      'Log lines of JSON for programs, or of text for people. `auto` is text on a terminal and JSON elsewhere.',
  }),
  METRICS: oneOf(['off', 'on', 'public'], {
    default: 'off',
    description: "Prometheus' metrics at /metrics: for admins' tokens (`on`) or for everybody (`public`).",
  }),
  METRICS_PORT: wholeNumberOrOff(0, 65_535, {
    default: 'off',
    description: 'A port of its own that serves /metrics to everybody who reaches it; 0 takes a free one.',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url({
    default: '',
    description:
      "Where OpenTelemetry's traces go, as OTLP over HTTP, for example `http://collector:4318`; empty is off.",
  }),
  OTEL_SERVICE_NAME: Type.String({ default: 'latchkey', description: 'The `service.name` of the traces.' }),
  MIGRATE_ON_START: onOff({
    default: 'on',
    description: 'Bring the database up to date on start; off refuses to start on an old one.',
  }),
  DRAIN_DELAY: duration('0s', '5m', {
    default: '0s',
    description: 'After SIGTERM, how long to go on serving while /readyz already says 503.',
  }),
  SHUTDOWN_TIMEOUT: duration('1s', '5m', {
    default: '10s',
    description: 'After the drain, how long requests in flight may take before they are cut off.',
  }),
})

export type Config = Readonly<StaticDecode<typeof Settings>>
