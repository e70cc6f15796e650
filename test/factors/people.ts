import { eq } from 'drizzle-orm'
import * as OTPAuth from 'otpauth'
import { STEP_MS } from '../../src/factors/totp.js'
import { type LoginAnswer, PASSWORD, type Person, type Service } from '../helper.js'

/** A user with TOTP and an authenticator app, which is an independent implementation of TOTP. */
export class Authenticator {
  readonly #totp: OTPAuth.TOTP

  constructor(
    readonly person: Person,
    readonly id: string,
    uri: string,
    readonly recoveryCodes: string[],
  ) {
    this.#totp = OTPAuth.URI.parse(uri) as OTPAuth.TOTP
  }

  /** The code of the current step, or of a step at this distance. */
  code(distance = 0): string {
    return this.#totp.generate({ timestamp: Date.now() + distance * STEP_MS })
  }

  /** A code that is wrong now, whatever the time. */
  wrongCode(): string {
    const right = [-2, -1, 0, 1, 2].map((distance) => this.code(distance))
    return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code)) ?? ''
  }
}

/** Adds TOTP to a user's account, and lets the code of the confirmation be used again. */
export async function addTotp(person: Person): Promise<Authenticator> {
  const begun = (await person.post('/v1/me/totp', { name: 'phone' })).json()
  if (begun.uri === undefined) throw new Error(JSON.stringify(begun))
  const code = (OTPAuth.URI.parse(begun.uri) as OTPAuth.TOTP).generate()
  const confirmed = await person.post('/v1/me/totp/confirm', { code })
  if (confirmed.statusCode !== 200) throw new Error(`confirm: ${confirmed.statusCode} ${confirmed.payload}`)
  await forget(person.service, person.id)
  return new Authenticator(person, begun.id, begun.uri, confirmed.json().recovery_codes)
}

/** Lets used codes be used again, as if time had passed. */
export async function forget({ app }: Service, userId: number): Promise<void> {
  const { db, tables } = app.database
  await db.update(tables.factors).set({ lastStep: 0 }).where(eq(tables.factors.userId, userId))
}

/** Logs in with the password at /v1/login. Returns the ticket for the second step. */
export async function ticketOf(service: Service, username: string): Promise<string> {
  const response = await service.post('/v1/login', { username, password: PASSWORD })
  if (response.json().code !== 'mfa_required') throw new Error(`login: ${response.statusCode} ${response.payload}`)
  return response.json().ticket
}

/** Logs in a user who needs a factor and has none, and adds TOTP. */
export async function enroll(service: Service, username: string) {
  const { ticket } = (await service.post('/v1/login', { username, password: PASSWORD })).json()
  const begun = (await service.post('/v1/login/enroll/totp', { ticket, name: 'phone' })).json()
  if (begun.uri === undefined) throw new Error(JSON.stringify(begun))
  const phone = new Authenticator({} as Person, begun.id, begun.uri, [])
  const done = await service.post('/v1/login/enroll/totp/confirm', { ticket, code: phone.code() })
  if (done.statusCode !== 200) throw new Error(`enroll: ${done.statusCode} ${done.payload}`)
  await forget(service, done.json().user.id)
  return { ...(done.json() as LoginAnswer & { recovery_codes: string[] }), id: begun.id as string, phone }
}
