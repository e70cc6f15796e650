import { Type } from '@sinclair/typebox'

// The JSON of WebAuthn level 3: the input of `PublicKeyCredential.parseCreationOptionsFromJSON` and
// `parseRequestOptionsFromJSON`, and the output of a credential's `toJSON`. Browsers may add fields to the latter, so
// unknown fields are accepted.

const ID_LENGTH = 2_048
const DATA_LENGTH = 16_384

function bytes(description: string, maxLength = DATA_LENGTH) {
  return Type.String({ minLength: 1, maxLength, description })
}

const Descriptor = Type.Object(
  {
    id: Type.String({ description: 'The credential id, in base64url.' }),
    type: Type.String({ description: '`public-key`.' }),
    transports: Type.Optional(Type.Array(Type.String(), { description: 'How the device is reached.' })),
  },
  { description: 'A passkey.' },
)

const challenge = Type.String({ description: 'What the passkey signs, in base64url; good for five minutes, once.' })
const timeout = Type.Integer({ description: 'For how long the browser asks, in milliseconds.' })
const CHALLENGE = 'q83vEjRWeJC3xuX2BxiNQwGTqbzk1m5xT2b1mYw1xqE5Aj0yZrs'

export const PasskeyCreationOptions = Type.Object(
  {
    rp: Type.Object(
      {
        id: Type.String({ description: 'The domain that the passkey is for.' }),
        name: Type.String({ description: 'What the service is called.' }),
      },
      { description: 'This service.' },
    ),
    user: Type.Object(
      {
        id: Type.String({ description: 'The user handle, in base64url: random to everybody else.' }),
        name: Type.String({ description: 'The user name, or the address.' }),
        displayName: Type.String({ description: 'What the person is called.' }),
      },
      { description: 'Whose passkey it is to be.' },
    ),
    challenge,
    pubKeyCredParams: Type.Array(
      Type.Object({
        alg: Type.Integer({ description: 'The algorithm, as COSE numbers it.' }),
        type: Type.String({ description: '`public-key`.' }),
      }),
      { description: 'The algorithms that are taken.' },
    ),
    timeout,
    attestation: Type.String({ description: '`none`: nobody asks what the device is.' }),
    excludeCredentials: Type.Array(Descriptor, { description: 'The passkeys that the account has.' }),
    authenticatorSelection: Type.Object(
      {
        residentKey: Type.String({ description: '`required`: it logs in without a name.' }),
        requireResidentKey: Type.Boolean({ description: 'The same for old browsers.' }),
        userVerification: Type.String({ description: '`required`: a fingerprint, a face or a PIN.' }),
      },
      { description: 'What the device must do.' },
    ),
  },
  {
    $id: 'PasskeyCreationOptions',
    description: 'For `PublicKeyCredential.parseCreationOptionsFromJSON` of a browser.',
    examples: [
      {
        rp: { id: 'login.example.com', name: 'Example' },
        user: { id: 'dVx0aHJlZSBxdWlldCBsYW50ZXJucw', name: 'mina', displayName: 'Mina' },
        challenge: CHALLENGE,
        pubKeyCredParams: [{ alg: -7, type: 'public-key' }],
        timeout: 240_000,
        attestation: 'none',
        excludeCredentials: [],
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
      },
    ],
  },
)

export const PasskeyRequestOptions = Type.Object(
  {
    rpId: Type.String({ description: 'The domain of the passkeys.' }),
    challenge,
    timeout,
    userVerification: Type.String({ description: '`required`: a fingerprint, a face or a PIN.' }),
    allowCredentials: Type.Optional(
      Type.Array(Descriptor, { description: 'The passkeys of the account, where it is known.' }),
    ),
  },
  {
    $id: 'PasskeyRequestOptions',
    description: 'For `PublicKeyCredential.parseRequestOptionsFromJSON` of a browser.',
    examples: [{ rpId: 'login.example.com', challenge: CHALLENGE, timeout: 240_000, userVerification: 'required' }],
  },
)

const credential = {
  id: bytes('The credential id, in base64url.', ID_LENGTH),
  rawId: bytes('The same once more.', ID_LENGTH),
  type: Type.String({ maxLength: 64, description: '`public-key`.' }),
  authenticatorAttachment: Type.Optional(
    Type.String({ maxLength: 64, description: 'Whether the device is this one.' }),
  ),
  clientExtensionResults: Type.Optional(Type.Unsafe<object>({ type: 'object', description: 'Not read.' })),
}
const CLIENT_DATA = 'eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0'

export const CreatedPasskey = Type.Object(
  {
    ...credential,
    response: Type.Object(
      {
        clientDataJSON: bytes('What the browser was asked, in base64url.'),
        attestationObject: bytes('The new public key, in base64url.'),
        transports: Type.Optional(
          Type.Array(Type.String({ maxLength: 32, pattern: '^[a-z-]+$' }), {
            maxItems: 16,
            description: 'How the device is reached.',
          }),
        ),
      },
      { description: 'What the device answered.' },
    ),
  },
  {
    $id: 'CreatedPasskey',
    description: 'What `navigator.credentials.create` resolved to, by its `toJSON()`.',
    examples: [
      {
        id: 'zSZtu3Lkt0gG2rTzQfV5CA',
        rawId: 'zSZtu3Lkt0gG2rTzQfV5CA',
        type: 'public-key',
        clientExtensionResults: {},
        response: { clientDataJSON: CLIENT_DATA, attestationObject: 'o2NmbXRkbm9uZQ', transports: ['internal'] },
      },
    ],
  },
)

export const ShownPasskey = Type.Object(
  {
    ...credential,
    response: Type.Object(
      {
        clientDataJSON: bytes('What the browser was asked, in base64url.'),
        authenticatorData: bytes('What the device says of itself, in base64url.'),
        signature: bytes('The signature of both, in base64url.'),
        userHandle: Type.Optional(
          Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 128, description: 'Whose passkey it is.' }),
        ),
      },
      { description: 'What the device answered.' },
    ),
  },
  {
    $id: 'ShownPasskey',
    description: 'What `navigator.credentials.get` resolved to, by its `toJSON()`.',
    examples: [
      {
        id: 'zSZtu3Lkt0gG2rTzQfV5CA',
        rawId: 'zSZtu3Lkt0gG2rTzQfV5CA',
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: CLIENT_DATA,
          authenticatorData: 'SZYN5YgOjGh0NBcPZHZgW4',
          signature: 'MEUCIQDk',
          userHandle: 'dVx0aHJlZSBxdWlldCBsYW50ZXJucw',
        },
      },
    ],
  },
)
