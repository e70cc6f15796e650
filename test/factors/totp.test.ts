// On SQLite alone: no database.

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as OTPAuth from 'otpauth'
import t from 'tap'
import { readRecoveryCode } from '../../src/factors/recovery-codes.js'
import { base32, readTotpCode, STEP_MS, stepOf, totpCode, totpUri } from '../../src/factors/totp.js'

/** RFC 6238 appendix B, SHA-1: the time in seconds and the code of eight digits. */
const VECTORS = [
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
  [20_000_000_000, '65353130'],
] as const
const SECRET = Buffer.from('12345678901234567890')
const NOW = 1_800_000_000_000
const PRESENT = NOW / STEP_MS

t.test('codes match the test vectors of RFC 6238', async (t) => {
  for (const [seconds, code] of VECTORS) {
    const step = Math.floor((seconds * 1_000) / STEP_MS)
    t.equal(totpCode(SECRET, step, 8), code)
    t.equal(totpCode(SECRET, step), code.slice(2))
    const theirs = new OTPAuth.TOTP({
      digits: 8,
      secret: new OTPAuth.Secret({ buffer: new Uint8Array(SECRET).buffer }),
    })
    t.equal(theirs.generate({ timestamp: seconds * 1_000 }), code)
  }
})

t.test('codes, otpauth URIs and base32 match the otpauth package', async (t) => {
  for (let round = 0; round < 200; round += 1) {
    const secret = randomBytes(1 + (round % 40))
    const theirs = new OTPAuth.Secret({ buffer: new Uint8Array(secret).buffer })
    t.equal(base32(secret), theirs.base32)
    const totp = new OTPAuth.TOTP({ issuer: '래치키 & Söhne', label: '민아:x@example.com', secret: theirs })
    t.equal(totpCode(secret, PRESENT + round), totp.generate({ timestamp: NOW + round * STEP_MS }))
    t.equal(totpUri(secret, { issuer: '래치키 & Söhne', account: '민아:x@example.com' }), totp.toString())
  }
})

const hasOathtool = spawnSync('oathtool', ['--version']).status === 0

t.test(
  'codes match oathtool',
  { skip: hasOathtool ? false : 'oathtool (the package of this name) is not installed' },
  async (t) => {
    for (let round = 0; round < 5; round += 1) {
      const secret = randomBytes(20)
      const seconds = 1_700_000_000 + round * 1_234_567
      const { stdout } = spawnSync('oathtool', ['--totp', '-b', '-N', `@${seconds}`, base32(secret)], {
        encoding: 'utf8',
      })
      t.equal(totpCode(secret, Math.floor(seconds / 30)), stdout.trim())
    }
    for (const [seconds, code] of VECTORS) {
      const args = ['--totp', '--digits=8', '-N', `@${seconds}`, SECRET.toString('hex')]
      t.equal(spawnSync('oathtool', args, { encoding: 'utf8' }).stdout.trim(), code, 'RFC 6238')
    }
  },
)

t.test('a code is valid in its own and the adjacent steps, and only after the step that was used last', async (t) => {
  const step = (distance: number, lastStep = 0) =>
    stepOf(SECRET, totpCode(SECRET, PRESENT + distance), { now: NOW, lastStep })
  t.same(
    [-2, -1, 0, 1, 2].map((distance) => step(distance)),
    [undefined, PRESENT - 1, PRESENT, PRESENT + 1, undefined],
  )
  t.same(
    [-1, 0, 1].map((distance) => step(distance, PRESENT)),
    [undefined, undefined, PRESENT + 1],
  )
})

t.test('a code may have spaces and full-width digits, and other input is rejected', async (t) => {
  for (const text of ['123456', '123 456', ' 123456\n', '１２３４５６', '１２３　４５６'])
    t.equal(readTotpCode(text), '123456', text)
  for (const text of ['', '12345', '1234567', 'abcdef', '12345a', '١٢٣٤٥٦', '-12345', '1e5', '123.56']) {
    t.equal(readTotpCode(text), undefined, text)
  }
})

t.test('a recovery code is read in any case, width and spacing, and with look-alike letters', async (t) => {
  for (const text of ['7K2QW-M4ZX9', '7k2qwm4zx9', ' 7k2qw m4zx9\n', '７Ｋ２ＱＷ－Ｍ４ＺＸ９'])
    t.equal(readRecoveryCode(text), '7K2QWM4ZX9', text)
  t.equal(readRecoveryCode('oOiIl-LABCD'), '001111ABCD', 'look-alike letters are read as digits')
  for (const text of ['', '7K2QW', '7K2QW-M4ZX9A', 'UUUUU-UUUUU']) t.equal(readRecoveryCode(text), undefined, text)
})
