import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { Person, Service } from '../helper.js'

/** The origin of the services under test. */
export const ORIGIN = 'http://latchkey.test'
/** Flags of the authenticator data: user present 01, user verified 04, backup eligible 08, backed up 10. */
export const SYNCED = 0x1d
export const DEVICE_BOUND = 0x05
const ATTESTED = 0x40

/** The CBOR of {"fmt":"none","attStmt":{},"authData":bytes}, up to the length of the bytes. */
const NO_ATTESTATION = Buffer.from('a363666d74646e6f6e656761747453746d74a068617574684461746159', 'hex')

interface Algorithm {
  generate(): { publicKey: KeyObject; privateKey: KeyObject }
  /** The public key in COSE format. */
  cose(jwk: Record<string, Buffer<ArrayBuffer>>): Buffer
  hash: string | null
}

const ec = (namedCurve: string, head: string, hash: string): Algorithm => ({
  generate: () => generateKeyPairSync('ec', { namedCurve }),
  cose: ({ x, y }) => Buffer.concat([hex(`a50102${head}`), bytes('21', x), bytes('22', y)]),
  hash,
})

/** The algorithms by their COSE number. */
export const ALGORITHMS: Record<number, Algorithm> = {
  [-7]: ec('P-256', '03262001', 'sha256'),
  [-35]: ec('P-384', '0338222002', 'sha384'),
  [-36]: ec('P-521', '0338232003', 'sha512'),
  [-8]: {
    generate: () => generateKeyPairSync('ed25519'),
    cose: ({ x }) => Buffer.concat([hex('a4010103272006'), bytes('21', x)]),
    hash: null,
  },
  [-257]: {
    generate: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    cose: ({ n }) =>
      Buffer.concat([hex('a40103033901002059'), u16(n?.length ?? 0), n ?? Buffer.alloc(0), hex('2143010001')]),
    hash: 'sha256',
  },
}

/** Fields of a passkey's response that a test falsifies. */
interface Lies {
  type?: string
  origin?: string
  crossOrigin?: boolean
  topOrigin?: string
  challenge?: string
  rpId?: string
  userHandle?: string | undefined
}

/** A passkey and its browser in software, without attestation; ES256 by default. */
export class SoftwarePasskey {
  counter = 0
  flags: number
  readonly id = randomBytes(16)
  userHandle: string | undefined
  rpId = 'latchkey.test'
  readonly #algorithm: Algorithm
  readonly #keys: { publicKey: KeyObject; privateKey: KeyObject }

  constructor({ flags = SYNCED, algorithm = -7 } = {}) {
    this.flags = flags
    this.#algorithm = ALGORITHMS[algorithm] as Algorithm
    this.#keys = this.#algorithm.generate()
  }

  /** What `navigator.credentials.create` would return. */
  create({ challenge, rp, user }: CreationOptions, lies: Lies = {}) {
    this.userHandle = user.id
    this.rpId = rp.id
    const jwk = Object.entries(this.#keys.publicKey.export({ format: 'jwk' }))
    const numbers = Object.fromEntries(jwk.map(([name, value]) => [name, Buffer.from(String(value), 'base64url')]))
    const attested = [Buffer.alloc(16), u16(this.id.length), this.id, this.#algorithm.cose(numbers)]
    const data = Buffer.concat([this.#authenticatorData(ATTESTED, lies.rpId), ...attested])
    const clientDataJSON = clientData({ type: 'webauthn.create', challenge, ...lies })
    const attestationObject = Buffer.concat([NO_ATTESTATION, u16(data.length), data])
    return this.#answer({ clientDataJSON, attestationObject: text(attestationObject), transports: ['internal'] })
  }

  /** What `navigator.credentials.get` would return. */
  get({ challenge }: { challenge: string }, lies: Lies = {}) {
    const data = this.#authenticatorData(0, lies.rpId)
    const clientDataJSON = clientData({ type: 'webauthn.get', challenge, ...lies })
    const signed = Buffer.concat([data, sha256(Buffer.from(clientDataJSON, 'base64url'))])
    const signature = text(sign(this.#algorithm.hash, signed, this.#keys.privateKey))
    const userHandle = 'userHandle' in lies ? lies.userHandle : this.userHandle
    return this.#answer({ clientDataJSON, authenticatorData: text(data), signature, ...(userHandle && { userHandle }) })
  }

  /** As `create`, with an attestation of this format, whose only certificate is none. */
  createAttested(options: CreationOptions, format: string) {
    const answer = this.create(options)
    const rest = Buffer.from(answer.response.attestationObject, 'base64url').subarray(NO_ATTESTATION.length)
    const name = Buffer.from(format)
    const head = [hex('a363666d74'), Buffer.of(0x60 + name.length), name, hex('6761747453746d74a163783563814401020304')]
    const attestationObject = text(Buffer.concat([...head, hex('68617574684461746159'), rest]))
    return { ...answer, response: { ...answer.response, attestationObject } }
  }

  #authenticatorData(flags: number, rpId = this.rpId): Buffer {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(this.counter)
    return Buffer.concat([sha256(Buffer.from(rpId)), Buffer.of(this.flags | flags), counter])
  }

  #answer<Response extends object>(response: Response) {
    const id = text(this.id)
    return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response }
  }
}

interface CreationOptions {
  challenge: string
  rp: { id: string }
  user: { id: string }
}

/** Adds a passkey to a user's account. Returns the passkey, its id and the recovery codes. */
export async function addPasskey(person: Person, passkey = new SoftwarePasskey(), lies: Lies = {}) {
  const options = (await person.post('/v1/me/passkeys/options')).json()
  const added = await person.post('/v1/me/passkeys', { name: 'laptop', passkey: passkey.create(options, lies) })
  if (added.statusCode !== 201) throw new Error(`passkey: ${added.statusCode} ${added.payload}`)
  const { id, recovery_codes: recoveryCodes } = added.json()
  return { passkey, id: id as string, recoveryCodes: recoveryCodes as string[] }
}

/** The challenge for a log-in with a passkey. */
export async function question(service: Service, body: object = {}): Promise<{ challenge: string }> {
  return (await service.post('/v1/login/passkey/options', body)).json()
}

function clientData({ type, challenge, origin = ORIGIN, crossOrigin = false, topOrigin }: Lies): string {
  return text(Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin, topOrigin })))
}

function text(data: Buffer): string {
  return data.toString('base64url')
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex')
}

/** A CBOR byte string, preceded by its key. */
function bytes(key: string, value = Buffer.alloc(0)): Buffer<ArrayBuffer> {
  return Buffer.concat([hex(`${key}58`), Buffer.of(value.length), value])
}

function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

function u16(value: number): Buffer {
  const data = Buffer.alloc(2)
  data.writeUInt16BE(value)
  return data
}
