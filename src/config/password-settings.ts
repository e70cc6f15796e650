import { assertHook } from './mail-url.js'
import { bytes, checked, oneOf, onOff, url, wholeNumber } from './setting-types.js'

/** Settings for hashes, password rules and the check of sign-ups. */
export const PASSWORD_SETTINGS = {
  PASSWORD_HASH: oneOf(['bcrypt', 'argon2id'], {
    default: 'bcrypt',
    description:
      'How passwords are hashed. argon2id needs a tenth of the processor time, so ten times as many people can log ' +
      'in, but ARGON2_MEMORY for each hash that is being computed. Stored hashes of the other kind still work and ' +
      'are replaced at log-in.',
  }),
  BCRYPT_COST: wholeNumber(10, 15, { default: '12', description: 'The cost of a bcrypt hash, 2^n rounds.' }),
  ARGON2_MEMORY: bytes('7MiB', '128MiB', {
    default: '19MiB',
    description: 'The memory of an argon2id hash. Less memory requires more ARGON2_PASSES.',
  }),
  ARGON2_PASSES: wholeNumber(1, 10, {
    default: '2',
    description:
      'The passes of an argon2id hash over its memory: with 7MiB at least 5, 9MiB 4, 12MiB 3, 19MiB 2, 46MiB 1.',
  }),
  HASH_QUEUE: wholeNumber(0, 10_000, {
    default: '32',
    description: 'The number of log-ins that may wait for their password to be hashed; further log-ins get 503.',
  }),
  PASSWORD_MIN_LENGTH: wholeNumber(1, 64, {
    default: '8',
    description: 'The shortest password allowed, in characters; 15 is recommended if the password is the only factor.',
  }),
  PASSWORD_BLOCKLIST: onOff({ default: 'on', description: "Refuse common passwords and the person's own name." }),
  PASSWORD_BREACH_URL: url({
    default: '',
    description:
      'A service that finds new passwords in known breaches, such as `https://api.pwnedpasswords.com/range`. Only ' +
      'the first five characters of the SHA-1 of a password are sent (k-anonymity). Without an answer within a ' +
      'second, the password is accepted.',
  }),
  SIGNUP_CHECK_URL: checked(assertHook, {
    default: '',
    description:
      'A hook that is called with one POST before each sign-up: 2xx allows the sign-up, 403 refuses it. Any other ' +
      'answer, or none within three seconds, makes the sign-up fail with 503; no account is created and no mail is ' +
      'sent.',
  }),
}
