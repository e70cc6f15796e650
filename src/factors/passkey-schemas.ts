import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server'
import { Type } from '@sinclair/typebox'

// The JSON of WebAuthn level 3: the input of `PublicKeyCredential.parseCreationOptionsFromJSON` and
// `parseRequestOptionsFromJSON`, and the output of a credential's `toJSON`. Browsers may add fields to the latter, so
// unknown fields are accepted. A credential has the type of the library, which verifies the content.

const ID_LENGTH = 2_048
const DATA_LENGTH = 16_384

function bytes(description: string, maxLength = DATA_LENGTH) {
  return Type.String({ minLength: 1, maxLength, description })
}

const Descriptor = Type.Object(
  {
    id: Type.String({ description: 'The credential id, in base64url.' }),
    type: Type.String({ description: 'Always `public-key`.' }),
    transports: Type.Optional(Type.Array(Type.String(), { description: 'The transports of the device.' })),
  },
  { description: 'A passkey.' },
)

const challenge = Type.String({ description: 'The challenge to sign, in base64url. Valid once, for five minutes.' })
const timeout = Type.Integer({ description: 'The time that the browser waits for the user, in milliseconds.' })
const CHALLENGE = 'q83vEjRWeJC3xuX2BxiNQwGTqbzk1m5xT2b1mYw1xqE5Aj0yZrs'

export const PasskeyCreationOptions = Type.Object(
  {
    rp: Type.Object(
      {
        id: Type.String({ description: 'The domain that the passkey is for.' }),
        name: Type.String({ description: 'The name of the service.' }),
      },
      { description: 'This service.' },
    ),
    user: Type.Object(
      {
        id: Type.String({
          description: 'The user handle, in base64url: an opaque value that reveals nothing about the user.',
        }),
        name: Type.String({ description: 'The user name, or the e-mail address.' }),
        displayName: Type.String({ description: 'The display name.' }),
      },
      { description: 'The owner of the new passkey.' },
    ),
    challenge,
    pubKeyCredParams: Type.Array(
      Type.Object({
        alg: Type.Integer({ description: 'The COSE number of the algorithm.' }),
        type: Type.String({ description: 'Always `public-key`.' }),
      }),
      { description: 'The supported algorithms.' },
    ),
    timeout,
    attestation: Type.String({ description: '`none`: no attestation of the device is requested.' }),
    excludeCredentials: Type.Array(Descriptor, {
      description: 'The existing passkeys of the account, which must not be registered again.',
    }),
    authenticatorSelection: Type.Object(
      {
        residentKey: Type.String({ description: '`required`: the passkey can log in without a user name.' }),
        requireResidentKey: Type.Boolean({ description: 'The same requirement for old browsers.' }),
        userVerification: Type.String({ description: '`required`: the device checks a fingerprint, a face or a PIN.' }),
      },
      { description: 'Requirements for the device.' },
    ),
  },
  {
    $id: 'PasskeyCreationOptions',
    description: "Options for the browser's `PublicKeyCredential.parseCreationOptionsFromJSON`.",
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
    userVerification: Type.String({ description: '`required`: the device checks a fingerprint, a face or a PIN.' }),
    allowCredentials: Type.Optional(
      Type.Array(Descriptor, { description: 'The passkeys of the account, if a ticket identifies the account.' }),
    ),
  },
  {
    $id: 'PasskeyRequestOptions',
    description: "Options for the browser's `PublicKeyCredential.parseRequestOptionsFromJSON`.",
    examples: [{ rpId: 'login.example.com', challenge: CHALLENGE, timeout: 240_000, userVerification: 'required' }],
  },
)

const credential = {
  id: Type.String({
    minLength: 1,
    maxLength: ID_LENGTH,
    pattern: '^[A-Za-z0-9_-]+$',
    description: 'The credential id, in base64url.',
  }),
  rawId: bytes('The credential id again, in base64url.', ID_LENGTH),
  type: Type.String({ maxLength: 64, description: 'Always `public-key`.' }),
  authenticatorAttachment: Type.Optional(
    Type.String({
      maxLength: 64,
      description: 'Whether the authenticator is part of the device (`platform`) or separate (`cross-platform`).',
    }),
  ),
  clientExtensionResults: Type.Optional(Type.Unsafe<object>({ type: 'object', description: 'Ignored.' })),
}
const CLIENT_DATA = 'eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0'

export const CreatedPasskey = Type.Unsafe<RegistrationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object(
        {
          clientDataJSON: bytes('The client data from the browser, in base64url.'),
          attestationObject: bytes('The attestation object with the new public key, in base64url.'),
          transports: Type.Optional(
            Type.Array(Type.String({ maxLength: 32, pattern: '^[a-z-]+$' }), {
              maxItems: 16,
              description: 'The transports of the device.',
            }),
          ),
        },
        { description: 'The response of the device.' },
      ),
    },
    {
      $id: 'CreatedPasskey',
      description: 'The `toJSON()` of the credential that `navigator.credentials.create` returned.',
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
  ),
)

export const ShownPasskey = Type.Unsafe<AuthenticationResponseJSON>(
  Type.Object(
    {
      ...credential,
      response: Type.Object(
        {
          clientDataJSON: bytes('The client data from the browser, in base64url.'),
          authenticatorData: bytes('The authenticator data, in base64url.'),
          signature: bytes('The signature over the authenticator data and the client data, in base64url.'),
          userHandle: Type.Optional(
            Type.Unsafe<string | null>({
              type: ['string', 'null'],
              maxLength: 128,
              description: 'The user handle of the owner of the passkey.',
            }),
          ),
        },
        { description: 'The response of the device.' },
      ),
    },
    {
      $id: 'ShownPasskey',
      description: 'The `toJSON()` of the credential that `navigator.credentials.get` returned.',
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
  ),
)
