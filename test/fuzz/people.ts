import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import { Person, type Service } from '../helper.js'
import { PASSWORD_MARK } from './arbitraries.js'
import { collectionOf, type Plan } from './plans.js'

/** How many values of each kind are kept: enough to send old values again. */
const KEPT = 60
const FIRST_PASSWORD = `${PASSWORD_MARK} at first`

/**
 * A user played by the fuzzer. Their texts contain marks, so that a response to another user can be searched for them.
 */
export interface Persona {
  readonly name: string
  readonly role: 'user' | 'admin'
  /** A mark in everything that no other user may see, not even an admin. */
  readonly rowMark: string
  /** A mark in texts of the account, which admins may see. */
  readonly accountMark: string
  /** The ids of all accounts that this persona has had. */
  readonly ids: Set<number>
  identifier: string
  password: string
  person: Person
}

/** The personas of a run, and the values that the service has returned, which replace placeholders. */
export class People {
  readonly #given = new Map<string, string[]>()
  readonly #owners = new Map<string, string>()
  #accounts = 0

  private constructor(
    readonly service: Service,
    readonly personas: Persona[],
  ) {}

  static async gather(service: Service): Promise<People> {
    const personas: Persona[] = []
    const people = new People(service, personas)
    for (const [name, role] of [['mina', 'user'] as const, ['joon', 'user'] as const, ['boss', 'admin'] as const]) {
      const marks = { rowMark: `row-of-${name}`, accountMark: `account-of-${name}` }
      const person = new Person(service, await people.#register(name))
      const persona = {
        name,
        role,
        ...marks,
        ids: new Set<number>(),
        identifier: '',
        password: FIRST_PASSWORD,
        person,
      }
      personas.push(persona)
      await people.#settle(persona, person)
    }
    return people
  }

  of({ persona }: Plan): Persona {
    const found = this.personas[persona]
    if (found === undefined) throw new Error(`nobody is number ${persona}`)
    return found
  }

  /** The value of a placeholder in a plan. */
  value(plan: Plan, name: string, n: number): string {
    const persona = this.of(plan)
    if (name === 'token') return persona.person.token
    if (name === 'username') return persona.identifier
    if (name === 'password') return persona.password
    if (name === 'mark')
      return /todo|tutorial/i.test(plan.operation.id) && !isRegistration(plan) ? persona.rowMark : persona.accountMark
    // Mostly a value of the persona, sometimes a value of any persona.
    const own = this.#given.get(`${name} of ${persona.name}`) ?? []
    const given = n % 3 !== 0 && own.length > 0 ? own : (this.#given.get(name) ?? [])
    return given[n % given.length] ?? 'none'
  }

  /** Secrets without a recognisable format. */
  get resetTokens(): string[] {
    return this.#given.get('reset') ?? []
  }

  /**
   * Stores the values of a response, follows what the request changed, and logs personas in again who were logged out.
   */
  async learn(plan: Plan, request: InjectOptions, response: Response): Promise<void> {
    const { statusCode: status, payload, headers } = response
    const persona = this.of(plan)
    const collection = collectionOf(plan.operation.path)
    this.#keep('etag', headers.etag)
    for (const [, name = '', text = ''] of payload.matchAll(
      /"(id|client_id|next_cursor|refresh_token|token)":"?([\w.-]+)/g,
    )) {
      if (name === 'id' || name === 'client_id') {
        this.#keep(collection, text)
        this.#keep(`${collection} of ${persona.name}`, text)
      }
      if (name === 'next_cursor' && text !== 'null') this.#keep('cursor', text)
      if (name === 'refresh_token') this.#keep('refresh', text)
      if (name !== 'token') continue
      this.#keep('reset', text)
      this.#owners.set(text, String(/\/users\/(\d+)\//.exec(String(request.url))?.[1]))
    }
    if (status >= 300 && status !== 401) return
    const { id } = plan.operation
    if (id === 'changePassword' && status === 204) persona.password = JSON.parse(String(request.payload)).new_password
    if (id === 'resetPassword' && status === 204) this.#followReset(JSON.parse(String(request.payload)))
    if (id === 'updateMe' && status === 200) persona.identifier = response.json().username ?? response.json().email
    if (id === 'updateMe' || status === 401 || status === 204) await this.#reviveAll()
  }

  #keep(name: string, value: unknown): void {
    if (typeof value !== 'string') return
    const given = this.#given.get(name) ?? []
    given.push(value)
    if (given.length > KEPT) given.shift()
    this.#given.set(name, given)
  }

  #followReset({ token, new_password }: { token: string; new_password: string }): void {
    const owner = this.personas.find(({ person }) => String(person.id) === this.#owners.get(token))
    if (owner !== undefined) owner.password = new_password
  }

  async #reviveAll(): Promise<void> {
    for (const persona of this.personas) {
      const { statusCode, json } = await this.service.get('/v1/me', { authorization: `Bearer ${persona.person.token}` })
      if (statusCode !== 200 || json().role !== persona.role) await this.#revive(persona)
    }
  }

  /** Logs a persona in again, or registers a new account if the account is gone. */
  async #revive(persona: Persona): Promise<void> {
    const { identifier: username, password } = persona
    const login = await this.service.post('/v1/login', { username, password })
    if (login.statusCode === 200) return this.#settle(persona, new Person(this.service, login.json()))
    const fresh = await this.#register(persona.name)
    persona.password = FIRST_PASSWORD
    await this.#settle(persona, new Person(this.service, fresh))
  }

  async #settle(persona: Persona, person: Person): Promise<void> {
    persona.person = person
    persona.ids.add(person.id)
    persona.identifier = person.login.user.username ?? person.login.user.email ?? ''
    if (persona.role === person.login.user.role) return
    await this.service.app.administration.change(person.id, { role: persona.role }, { id: null })
    persona.person = await this.service.logIn(persona.identifier, persona.password)
  }

  async #register(name: string) {
    this.#accounts += 1
    const username = `${name}.fuzz.${this.#accounts}`
    const answer = await this.service.post('/v1/register', { username, password: FIRST_PASSWORD })
    if (answer.statusCode !== 201) throw new Error(`register ${username}: ${answer.statusCode} ${answer.payload}`)
    return answer.json()
  }
}

function isRegistration({ operation }: Plan): boolean {
  return /register|adduser|login/i.test(operation.id)
}
