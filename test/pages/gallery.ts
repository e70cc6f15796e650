import { eq } from 'drizzle-orm'
import type { Page } from 'playwright-core'
import type { TokenPurpose } from '../../src/accounts/one-time-codes.js'
import { withDefaults } from '../../src/clients/registration.js'
import { addTotp } from '../factors/people.js'
import { addPasskey, SoftwarePasskey } from '../factors/software-passkey.js'
import { PASSWORD, type Service } from '../helper.js'

/** A state of a page: its address, and the form that leads to the state. */
export interface Sight {
  name: string
  url: string
  /** The values to type, by field, before the form is submitted. */
  typed?: Record<string, string>
}

export const AUTHORIZE = `/authorize?${new URLSearchParams({
  ...{ response_type: 'code', client_id: 'shop', redirect_uri: 'https://shop.example/callback', state: 'x' },
  ...{ code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' },
})}`

/** Creates users, a client and links. Returns every page that is displayed to users who are not logged in. */
export async function sightsOf(service: Service): Promise<Sight[]> {
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  await addTotp(joon)
  await addPasskeys(service)
  await service.app.clients.create('shop', withDefaults(SHOP), { id: null })
  await allow(service, mina.id, 'shop')
  const invited = await service.app.registration.create({ email: 'sora@example.com' })
  const reset = await linkOf(service, 'password_reset', mina.id)
  const invitation = await linkOf(service, 'invitation', invited.id)
  const verify = await linkOf(service, 'email_verification', invited.id, 'sora@example.com')
  const enrollment = await enrolling(service)
  return [
    { name: 'log-in', url: AUTHORIZE },
    { name: 'log-in refused', url: AUTHORIZE, typed: { username: 'mina', password: 'wrong' } },
    { name: 'second factor', url: AUTHORIZE, typed: { username: 'joon', password: PASSWORD } },
    { name: 'second factor, a passkey or a code', url: AUTHORIZE, typed: { username: 'yuna', password: PASSWORD } },
    { name: 'second factor, a passkey alone', url: AUTHORIZE, typed: { username: 'hana', password: PASSWORD } },
    { name: 'enrollment, an app or a passkey', url: enrollment, typed: { username: 'boss', password: PASSWORD } },
    { name: 'enrollment, a mailed code', url: AUTHORIZE, typed: { username: 'chief', password: PASSWORD } },
    { name: 'enrollment, the operator', url: AUTHORIZE, typed: { username: 'boss', password: PASSWORD } },
    { name: 'register', url: AUTHORIZE.replace('/authorize', '/account/register') },
    { name: 'register refused', url: '/account/register', typed: { username: 'mina', password: PASSWORD } },
    { name: 'registered', url: '/account/register', typed: { username: 'new', password: PASSWORD } },
    { name: 'forgot', url: AUTHORIZE.replace('/authorize', '/account/forgot') },
    { name: 'forgot, sent', url: '/account/forgot', typed: { email: 'nobody@example.com' } },
    { name: 'mailed code', url: AUTHORIZE.replace('/authorize', '/account/email-code') },
    { name: 'mailed code, sent', url: '/account/email-code', typed: { email: 'nobody@example.com' } },
    { name: 'reset by code', url: '/account/reset' },
    { name: 'reset', url: reset },
    { name: 'reset refused', url: reset, typed: { new_password: 'password' } },
    { name: 'verify by code', url: '/account/verify' },
    { name: 'verify', url: verify },
    { name: 'invitation', url: invitation },
    { name: 'invitation refused', url: invitation, typed: { password: 'password' } },
    { name: 'refusal', url: '/account/reset?token=nonsense' },
  ]
}

/** The pages of the account. The first one logs in, even if a user has just registered in this browser. */
export const OWN_SIGHTS: readonly Sight[] = [
  { name: 'account', url: '/account/login?again=1', typed: { username: 'mina', password: PASSWORD } },
  { name: 'profile', url: '/account/profile', typed: { name: 'Mina Kim' } },
  { name: 'address', url: '/account/address' },
  { name: 'address refused', url: '/account/address', typed: { email: 'a@b.c', current_password: 'wrong' } },
  { name: 'address waits', url: '/account/address', typed: { email: 'a@b.example', current_password: PASSWORD } },
  { name: 'address withdrawn', url: '/account/address', typed: {} },
  { name: 'password', url: '/account/password' },
  { name: 'sessions', url: '/account/sessions' },
  { name: 'applications', url: '/account/apps' },
  { name: 'API keys', url: '/account/api-keys' },
  { name: 'download', url: '/account/export' },
  { name: 'delete', url: '/account/delete' },
  { name: 'second factor', url: '/account/second-factor' },
  { name: 'second factor begun', url: '/account/second-factor', typed: { name: 'Phone' } },
]

/** Opens a page in this state. */
export async function visit(page: Page, address: string, { url, typed }: Sight): Promise<void> {
  await page.goto(`${address}${url}`)
  if (typed === undefined) return
  for (const [name, text] of Object.entries(typed)) await page.fill(`[name="${name}"]`, text)
  await Promise.all([page.waitForNavigation(), page.locator('main form button').first().click()])
}

export const SHOP = {
  ...{ client_name: 'The Flower Shop', redirect_uris: ['https://shop.example/callback'], scope: 'openid profile' },
  ...{ token_endpoint_auth_method: 'none' as const, first_party: true },
}

/** Two admins without a factor, one of whom has a confirmed address. Returns the enrollment link of the other. */
async function enrolling({ app }: Service): Promise<string> {
  const { db, tables } = app.database
  const add = (username: string, email?: string) =>
    app.registration.create({ username, password: PASSWORD, ...(email && { email }) }, { role: 'admin' })
  const [boss, chief] = [await add('boss'), await add('chief', 'chief@example.com')]
  await db.update(tables.users).set({ emailVerifiedAt: 1 }).where(eq(tables.users.id, chief.id))
  return `/account/login?again=1&enroll=${(await app.enrollments.createLink(boss.id)).token}`
}

/** Records a user's consent to an application. */
async function allow({ app }: Service, userId: number, id: string): Promise<void> {
  const client = await app.knownClients.lookUp(id)
  if (client === undefined) throw new Error(`no client ${id}`)
  await app.consents.grant(client, { userId, scope: client.scopes.join(' ') }, { ip: '127.0.0.1' })
}

/** A user with a passkey and recovery codes, and a user with only a passkey. */
async function addPasskeys(service: Service): Promise<void> {
  const origin = service.app.config.PUBLIC_URL
  await addPasskey(await service.signUp('yuna'), new SoftwarePasskey(), { origin })
  const hana = await service.signUp('hana')
  await addPasskey(hana, new SoftwarePasskey(), { origin })
  const { db, tables } = service.app.database
  await db.delete(tables.recoveryCodes).where(eq(tables.recoveryCodes.userId, hana.id))
}

async function linkOf({ app }: Service, purpose: TokenPurpose, userId: number, target = ''): Promise<string> {
  const issued = await app.database.transaction((db) => app.oneTimeTokens.create(db, { purpose, userId, target }))
  const page = { password_reset: 'reset', invitation: 'invitation' }[purpose as string] ?? 'verify'
  return `/account/${page}?token=${issued?.token}`
}
