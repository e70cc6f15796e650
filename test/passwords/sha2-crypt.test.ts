// On SQLite alone: a format of hashes does not depend on the database.
// In a process of its own: it measures the CPU time of its process.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { verifyPassword } from '../../src/passwords/hashes.js'
import { startService } from '../helper.js'
import { setHash, tryPassword } from '../support/stored-hashes.js'

t.setTimeout(120_000)

const COST = 4
const isRight = (password: string, stored: string) =>
  verifyPassword(password, stored, { name: 'bcrypt', cost: COST }).isRight

/** The test vectors for both algorithms in Ulrich Drepper's specification. */
const PUBLISHED: [password: string, hash: string][] = [
  ['Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  ['Hello world!', '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA'],
  ['This is just a test', '$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5'],
  [
    'a very much longer text to encrypt.  This one even stretches over morethan one line.',
    '$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1',
  ],
  [
    'we have a short salt string but not a short password',
    '$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/',
  ],
  ['a short string', '$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD'],
  ['the minimum number is still observed', '$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC'],
  [
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    'Hello world!',
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  [
    'This is just a test',
    '$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0',
  ],
  [
    'a very much longer text to encrypt.  This one even stretches over morethan one line.',
    '$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1',
  ],
  [
    'we have a short salt string but not a short password',
    '$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0',
  ],
  [
    'a short string',
    '$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1',
  ],
  [
    'the minimum number is still observed',
    '$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.',
  ],
]

t.test('the test vectors of the specification verify, and other passwords do not', async (t) => {
  for (const [password, hash] of PUBLISHED) {
    t.equal(isRight(password, hash), true, hash)
    t.equal(isRight(`${password}!`, hash), false)
    t.equal(isRight(password.slice(1), hash), false)
  }
})

/**
 * Digests created by crypt(3) of glibc, by the length of the password from 0 to 200. At multiples of 32 and 64, the
 * sizes of the digests, a wrong implementation may lose a block.
 */
const DIGESTS: Record<'sha256' | 'sha512', string[]> = JSON.parse(
  readFileSync(join(packageRoot, 'test', 'passwords', 'sha2-crypt.json'), 'utf8'),
)
const MARKS = { sha256: 5, sha512: 6 } as const

t.test('passwords of every length verify against the hashes of crypt(3)', async (t) => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    t.equal(DIGESTS[algorithm].length, 201)
    for (const [length, digest] of DIGESTS[algorithm].entries()) {
      const hash = `$${MARKS[algorithm]}$rounds=1000$${'saltstring./0AZa'.slice(0, length % 17)}$${digest}`
      const password = Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7 + length) % 94)))
      if (!isRight(password.join(''), hash)) t.fail(`${algorithm}, ${length} characters`)
      if (isRight(`${password.join('')}x`, hash)) t.fail(`${algorithm}, ${length} characters and one more`)
    }
  }
})

t.test('a user with a SHA-crypt hash logs in with a password of 31 to 128 characters', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  for (const length of [31, 32, 33, 64, 128]) {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const salt = 'saltstring./0AZa'.slice(0, length % 17)
      const password = Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7 + length) % 94)))
      await setHash(mina, `$${MARKS[algorithm]}$rounds=1000$${salt}$${DIGESTS[algorithm][length]}`)
      t.equal((await tryPassword(mina, `${password.join('')}x`)).statusCode, 401)
      t.equal((await tryPassword(mina, password.join(''))).statusCode, 200, `${algorithm}, ${length} characters`)
    }
  }
})

t.test('the product of the rounds and the bytes of a password is bounded', async (t) => {
  // A million rounds over kilobytes would take minutes of CPU time.
  for (const [mark, length] of [
    [5, 43],
    [6, 86],
  ] as const) {
    const stored = `$${mark}$rounds=1000000$salt$${'a'.repeat(length)}`
    // NFKC expands the second password to 8,448 bytes, and the third has 768.
    for (const password of ['x'.repeat(60_000), '\ufdfa'.repeat(256), '가'.repeat(256)]) {
      const began = process.cpuUsage()
      t.equal(isRight(password, stored), false)
      const { user, system } = process.cpuUsage(began)
      t.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms of a processor`)
    }
  }
})
