import { type StaticDecode, Type } from '@sinclair/typebox'
import { assertBrandColor, readLogo } from './brand.js'
import { MAIL_SETTINGS } from './mail-settings.js'
import { assertPasskeyOrigin, assertRpId } from './passkeys.js'
import { PASSWORD_SETTINGS } from './password-settings.js'
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

/** Settings whose values are secrets: masked in output, and refused from a file that other users may open. */
export const SECRET_SETTINGS = new Set(['SECRET_KEY', 'LEGACY_TOKENS', 'MAIL_WEBHOOK_SECRET'])

/** Replaces secrets and passwords in output. */
export const MASK = '********'

/**
 * Every setting with its default, bounds and description. docs/settings.md and .env.example are generated from this
 * object.
 */
export const Settings = Type.Object({
  HOST: Type.String({
    default: 'localhost',
    // Node listens on every address if the host is empty: a variable that was left empty must not expose the service.
    minLength: 1,
    errorMessage: 'is empty: set an address, such as 0.0.0.0 for every IPv4 address, or remove it',
    description: 'The address to listen on. `localhost` means both loopback addresses, `0.0.0.0` every IPv4 address.',
  }),
  PORT: wholeNumber(0, 65_535, { default: '3000', description: 'The port to listen on; 0 chooses a free port.' }),
  DATABASE_URL: Type.String({
    default: 'sqlite:./data/latchkey.db',
    pattern: '^(sqlite:.+|postgres(ql)?://.+)',
    errorMessage:
      'must be sqlite:<path>, for example sqlite:./data/latchkey.db, or postgres://<user>@<host>/<database>',
    description: 'The database that stores all data: `sqlite:<path>`, or `postgres://user:password@host/database`.',
  }),
  POOL_SIZE: wholeNumber(1, 1_000, {
    default: '10',
    description: 'The number of connections that a process opens to PostgreSQL.',
  }),
  SECRET_KEY: list(assertSecretKey, {
    default: '',
    description:
      'The secret of the service, at least 32 bytes. It authenticates refresh tokens and encrypts the signing ' +
      'keys. Required with PostgreSQL; with SQLite, the first start creates one in a file beside the database. To ' +
      'rotate the secret, set a list `new,old`.',
  }),
  PUBLIC_URL: url({
    default: '',
    description:
      'The address that clients use, and the `iss` of every token. The address may have a path, which the proxy in ' +
      'front must strip. Required with PostgreSQL; with SQLite the default is `http://localhost:PORT`.',
  }),
  AUDIENCE: Type.String({
    default: '',
    description: 'The `aud` of access tokens. By default PUBLIC_URL.',
  }),
  ACCESS_TOKEN_TTL: duration('1s', '1h', { default: '10m', description: 'The lifetime of an access token.' }),
  REFRESH_IDLE_TTL: duration('1s', '90d', {
    default: '14d',
    description: 'A session expires if it is not refreshed for this long.',
  }),
  REFRESH_ABSOLUTE_TTL: duration('1s', '365d', {
    default: '30d',
    description: 'A session expires after this long, however often it is refreshed.',
  }),
  REFRESH_REUSE_WINDOW: duration('0s', '60s', {
    default: '10s',
    description:
      'How long a used refresh token can be sent again and returns the same new token, for two tabs that refresh ' +
      'together or a lost response; `0s` is off.',
  }),
  ...PASSWORD_SETTINGS,
  REGISTRATION: oneOf(['open', 'closed'], { default: 'open', description: 'Whether people may register themselves.' }),
  EMAIL_VERIFICATION: oneOf(['off', 'optional', 'required'], {
    default: 'off',
    description:
      'Whether addresses are confirmed by mail. `optional`: an account loses an unconfirmed address if another ' +
      'account confirms it. `required`: people register with an address, and can log in once it is confirmed. ' +
      'Needs MAIL_URL; on localhost, mails are written as files to `./data/mail` if MAIL_URL is not set.',
  }),
  EMAIL_LOGIN: onOff({
    default: 'off',
    description:
      'Whether people can log in with a code that is mailed to their confirmed address, instead of the password. ' +
      'An account with a second factor still needs it. Needs MAIL_URL, like EMAIL_VERIFICATION.',
  }),
  MFA: oneOf(['off', 'optional', 'required_for_admins', 'required'], {
    default: 'optional',
    description:
      'Second factors. `optional`: users may add one. `required_for_admins`, `required`: admins, or all users, ' +
      'need one to log in, and add it at their next log-in. `off`: no user can add one; existing second factors ' +
      'are still required at log-in.',
  }),
  RP_ID: checked(assertRpId, {
    default: '',
    description:
      'The domain that passkeys belong to; by default the host of PUBLIC_URL. Existing passkeys stop working when ' +
      'the domain changes, so set it before the first passkey is added, for example `example.com` for all hosts ' +
      'below it.',
  }),
  PASSKEY_ORIGINS: list(assertPasskeyOrigin, {
    default: '',
    description:
      'Origins of the pages that use passkeys, and of Android apps as `android:apk-key-hash:<hash>`, separated by ' +
      'commas. By default the origin of PUBLIC_URL.',
  }),
  PASSWORD_GRANT: onOff({ default: 'on', description: 'Whether /v1/token accepts `grant_type=password`.' }),
  DOCS: onOff({ default: 'on', description: 'Serve the page at /docs and the OpenAPI documents.' }),
  COMPAT: onOff({ default: 'on', description: 'Serve the endpoints of the five tutorial back ends.' }),
  COMPAT_WEAK_PASSWORDS: oneOf(['auto', 'on', 'off'], {
    default: 'auto',
    description:
      "Whether the tutorials' sign-ups accept any password of 1 to 256 characters, as the tutorials do (`1234`). " +
      '`auto`: on while HOST is a loopback address, TRUST_PROXY is empty and PUBLIC_URL is not https. If this ' +
      'setting is not set, an explicit PASSWORD_MIN_LENGTH or PASSWORD_BLOCKLIST applies there too.',
  }),
  LEGACY_TOKENS: list(assertLegacySecret, {
    default: '',
    description:
      'Token secrets of the application from which people were imported, each with the day on which it stops being ' +
      "accepted: `secret@2027-01-31`, separated by commas. Until that day, the tutorials' endpoints accept that " +
      "application's tokens for imported people. For an import with --name: `secret@2027-01-31@name`.",
  }),
  PAGES: onOff({
    default: 'on',
    description:
      'Serve the pages for people: /authorize and the pages under /account. They need an https PUBLIC_URL, or http ' +
      'on localhost.',
  }),
  BRAND_NAME: Type.String({
    default: '',
    maxLength: 60,
    errorMessage: 'must be at most 60 characters long',
    description: 'The name of the service on pages and in mails. By default the name in MAIL_FROM, or the host.',
  }),
  BRAND_LOGO: checked(readLogo, {
    default: '',
    description: 'An SVG or PNG file of at most 64 KiB, shown at the top of pages instead of the key symbol.',
  }),
  BRAND_COLOR: checked(assertBrandColor, {
    default: '',
    description:
      'The colour of buttons and links on pages, for example `#0b6e4f`. A colour too pale for white text on it is ' +
      'refused; dark pages use a lighter shade.',
  }),
  ...MAIL_SETTINGS,
  LOGIN_THROTTLE: onOff({ default: 'on', description: 'Limit failed log-ins for each account and each network.' }),
  RATE_LIMIT: wholeNumberOrOff(1, 1_000_000, {
    default: '60',
    description:
      'The requests per minute that a network may send to all public credential routes together, counted by each ' +
      'process; refreshes are counted per session. `off` disables the limit. If this setting is not set, the limit ' +
      'is 600 while HOST is a loopback address, TRUST_PROXY is empty and PUBLIC_URL is not https.',
  }),
  TRUST_PROXY: list(address, {
    default: '',
    description: 'Addresses or CIDR ranges of the proxies whose X-Forwarded-For is trusted, separated by commas.',
  }),
  CORS_ORIGINS: list(origin, {
    default: '',
    description: 'Exact origins of the web pages that may call this service, separated by commas.',
  }),
  MAX_CONNECTIONS: wholeNumber(1, 1_000_000, {
    default: '20000',
    description: 'The number of connections that a process keeps open; further connections are closed immediately.',
  }),
  MAX_EVENT_LOOP_DELAY: wholeNumberOrOff(50, 60_000, {
    default: '250',
    description: 'Answer new requests with 503 while the event loop lags more than this, in milliseconds; or `off`.',
  }),
  BODY_LIMIT: bytes('1KiB', '1MiB', { default: '64KiB', description: 'The largest request body.' }),
  MAX_ROWS_PER_USER: wholeNumber(1, 1_000_000_000, {
    default: '100000',
    description:
      'The number of todos, and of tutorials, that an account may have. With several processes, an account may ' +
      'exceed it by 1,000 for each process after the first.',
  }),
  EVENTS_RETENTION: duration('1d', '3650d', { default: '90d', description: 'How long the audit log is kept.' }),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    default: 'info',
    description: 'The lowest level of messages that are logged to standard output.',
  }),
  LOG_FORMAT: oneOf(['auto', 'json', 'text'], {
    default: 'auto',
    description: 'Log lines as JSON for programs or as text for people. `auto`: text on a terminal, JSON elsewhere.',
  }),
  METRICS: oneOf(['off', 'on', 'public'], {
    default: 'off',
    description: 'Serve Prometheus metrics at /metrics: to admins (`on`) or to everyone (`public`).',
  }),
  METRICS_PORT: wholeNumberOrOff(0, 65_535, {
    default: 'off',
    description: 'A separate port that serves /metrics to everyone who can reach it; 0 chooses a free port.',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url({
    default: '',
    description:
      'Where to send OpenTelemetry traces, as OTLP over HTTP: for example `http://collector:4318`. Empty is off.',
  }),
  OTEL_SERVICE_NAME: Type.String({ default: 'latchkey', description: 'The `service.name` of the traces.' }),
  MIGRATE_ON_START: onOff({
    default: 'on',
    description: 'Migrate the database at start. With `off`, the service refuses to start with an older database.',
  }),
  DRAIN_DELAY: duration('0s', '5m', {
    default: '0s',
    description: 'How long to keep serving after SIGTERM, while /readyz already answers 503.',
  }),
  SHUTDOWN_TIMEOUT: duration('1s', '5m', {
    default: '10s',
    description: 'How long requests in flight may take after DRAIN_DELAY before they are cut off.',
  }),
})

export type Config = Readonly<StaticDecode<typeof Settings>>
