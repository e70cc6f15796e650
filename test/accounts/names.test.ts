import t from 'tap'
import { printable } from '../../src/terminal.js'
import { PASSWORD, type Service, startService } from '../helper.js'

t.test('a user name may have letters of one script, digits, and punctuation between them', async (t) => {
  const service = await startService(t)
  const names = [
    'abc',
    'Mina.Kim_2-x',
    '2mina',
    '007',
    'josé',
    'Nguyễn',
    'straße',
    'Łukasz',
    '김미나',
    '민아',
    '田中',
    'さち',
    'レオ',
    '김a',
    '미나2',
    '미나mina',
    'mina.미나',
    '田中さくら',
    'サクラ',
    '田中taro',
    'ラーメン',
    '佐々木',
    'x'.repeat(32),
    '가'.repeat(32),
  ]
  for (const username of names) {
    const response = await register(service, { username })
    t.equal(response.statusCode, 201, username)
    t.equal(response.json().user.username, username, 'shown as it was registered')
    const person = await service.logIn(username.normalize('NFD'))
    t.equal(person.id, response.json().user.id)
  }
})

const REFUSED: Record<string, string[]> = {
  reserved: [
    'admin',
    'Admin',
    'ＡＤＭＩＮ',
    'ａｄｍｉｎ',
    '𝐚𝐝𝐦𝐢𝐧',
    'root',
    'ROOT',
    'null',
    'undefined',
    'latchkey',
    'Support',
    'postmaster',
    'administrator',
    'system',
  ],
  'letters of one script': [
    'ad\u00admin',
    'mina\u200b',
    'mi\u200dna',
    'mina\u2060',
    '\u202emina',
    'mina kim',
    'mina\tkim',
    'mina\nkim',
    'mina\0',
    'mina@home',
    'mina＠home',
    'mina/kim',
    'mina🏮',
    'mina\ufffd',
    'mina\ud83c',
    '١٢٣٤',
    'mïna\u0489',
  ],
  '3 to 32 characters': ['ab', 'a', '김', '田', 'あ', 'ー', 'é', '김'.repeat(33), 'x'.repeat(33)],
  'begins and ends': ['.mina', 'mina.', '-mina', 'mina-', '_mina', 'mina_', '...', '_-_'],
}

const LOOK_ALIKES = [
  'аdmin',
  'ɑdmin',
  'mina\u0430',
  'минa',
  'minа_kim',
  'мина',
  'μίνα',
  'mına',
  'mIna\u0307\u0331\u0332',
  'İvan',
]
LOOK_ALIKES.push('김さくら', '김田中')

t.test('look-alike letters, of a second script or drawn like a Latin letter, are rejected in user names', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (const username of LOOK_ALIKES) {
    const response = await register(service, { username })
    t.match(response.json(), { status: 400, code: 'username_rejected' }, JSON.stringify(username))
    t.match(response.json().detail, 'letters of one script', JSON.stringify(username))
  }
})

t.test('other user names are rejected, and the message names the broken rule', async (t) => {
  const service = await startService(t)
  for (const [rule, names] of Object.entries(REFUSED)) {
    for (const username of names) {
      const response = await register(service, { username })
      t.match(response.json(), { status: 400, code: 'username_rejected' }, JSON.stringify(username))
      t.match(response.json().detail, rule, JSON.stringify(username))
    }
  }
  for (const username of ['', 'x'.repeat(129)]) {
    t.match((await register(service, { username })).json(), { status: 400, code: 'validation_failed' })
  }
})

// These letters belong to the Hangul script but are invisible: "admin" with a filler looks like "admin".
t.test('invisible letters are rejected in user names and e-mail addresses', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  for (const username of [
    'admin\u3164',
    'ad\u115fmin',
    'mina\u1160',
    'mi\uffa0na',
    '김\u3164미나',
    '\u3164\u3164\u3164',
  ]) {
    const response = await register(service, { username })
    t.match(response.json(), { status: 400, code: 'username_rejected' }, JSON.stringify(username))
  }
  for (const email of ['mina\u3164@b.co', 'mina@b\u1160.co']) {
    const response = await register(service, { email })
    t.match(response.json(), { status: 400, code: 'email_rejected' }, JSON.stringify(email))
  }
})

t.test('all spellings of a user name belong to one account', async (t) => {
  const service = await startService(t)
  const spellings = {
    minakim: ['MinaKim', 'MINAKIM', 'ｍｉｎａｋｉｍ', '𝓶𝓲𝓷𝓪𝓴𝓲𝓶', 'mina\u212aim', 'minaⓚim'],
    josé: ['JOSÉ', 'jose\u0301', 'Jose\u0301'],
    김미나: ['김미나'.normalize('NFD')],
    サクラ: ['ｻｸﾗ'],
    stefan: ['\u017ftefan', 'ﬆefan'],
  }
  for (const [username, others] of Object.entries(spellings)) {
    t.equal((await register(service, { username })).statusCode, 201, username)
    for (const other of others) {
      const response = await register(service, { username: other })
      t.match(response.json(), { status: 409, code: 'username_taken' }, other)
      t.equal((await service.logIn(other)).login.user.username, username)
    }
  }
  t.equal(
    (await register(service, { username: 'jose' })).statusCode,
    201,
    'a letter without its accent is another name',
  )
})

t.test('e-mail addresses of every usual kind are accepted', async (t) => {
  const service = await startService(t)
  const addresses = [
    'a@b.co',
    'mina.kim+tag@mail.example.com',
    "o'neil@example.com",
    'mina@xn--9i1b14p.xn--3e0b707e',
    '미나@예시.한국',
    'jürgen@müller.de',
    `${'x'.repeat(64)}@example.com`,
    `a@${`${'x'.repeat(61)}.`.repeat(4)}comm`,
  ]
  for (const email of addresses) {
    const response = await register(service, { email })
    t.equal(response.statusCode, 201, email)
    t.equal((await service.logIn(email.toUpperCase())).id, response.json().user.id)
  }
})

t.test('an invalid e-mail address is rejected, even if normalisation would make it valid', async (t) => {
  const service = await startService(t)
  const addresses = [
    'a＠b.co',
    'a@b＠c.co',
    'a﹫b.co',
    'a@b.co\r\nBcc: x@y.zz',
    'a@b.co\n',
    ' a@b.co',
    'a@b.co ',
    'a b@c.co',
    'a\u00a0b@c.co',
    'a\0@b.co',
    'a\u200b@b.co',
    'a\u00ad@b.co',
    'a\u202e@b.co',
    'a\ud83c@b.co',
    'a@b',
    'a@b.c',
    'a@.co',
    'a@b..co',
    'a@-b.co',
    'a@b-.co',
    'a@b_c.co',
    'a@127.0.0.1',
    'a@[127.0.0.1]',
    '@b.co',
    'a@@b.co',
    'a@b@c.co',
    '.a@b.co',
    'a.@b.co',
    'a..b@c.co',
    '"a b"@c.co',
    'Mina <a@b.co>',
    'a@b.co,c@d.co',
    'a;b@c.co',
    'mailto:a@b.co',
    'mina',
    `${'x'.repeat(65)}@b.co`,
    `${'가'.repeat(22)}@b.co`,
    `${'x'.repeat(300)}@b.co`,
    `a@${`${'x'.repeat(61)}.`.repeat(4)}codes`,
  ]
  for (const email of addresses) {
    const response = await register(service, { email })
    t.match(response.json(), { status: 400, code: 'email_rejected' }, JSON.stringify(email))
  }
  for (const email of ['', `${'x'.repeat(320)}@b.co`]) {
    t.match((await register(service, { email })).json(), { status: 400, code: 'validation_failed' })
  }
})

t.test('all spellings of an e-mail address belong to one account', async (t) => {
  const service = await startService(t)
  const mina = await register(service, { email: 'A@B.CO' })
  t.equal(mina.json().user.email, 'A@B.CO', 'shown as it was registered')
  for (const email of ['a@b.co', 'a@B.co', 'ａ@b.co', 'a@ｂ.co']) {
    t.match((await register(service, { email })).json(), { status: 409, code: 'email_taken' }, email)
    t.equal((await service.logIn(email)).id, mina.json().user.id)
  }
  for (const email of ['a+1@b.co', 'a@b.com', 'b@b.co']) {
    t.equal((await register(service, { email })).statusCode, 201, `${email} is another account`)
  }
})

function register(service: Service, who: { username?: string; email?: string; name?: string }) {
  return service.post('/v1/register', { ...who, password: PASSWORD })
}

t.test('a display name with control characters, line breaks or direction marks is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const refused = [
    'a\nb',
    'a\r\nb',
    '\u001b[2J',
    '\u0007',
    'a\u009b1A',
    'a\u202eb',
    'a\u2066b',
    'a\u200fb',
    'a\u061cb',
    'a\u2028b',
    'a\0',
  ]
  for (const name of refused) {
    const shown = printable(name)
    t.match((await register(service, { username: 'joon', name })).json(), { status: 400, code: 'name_rejected' }, shown)
    t.match((await mina.patch('/v1/me', { name })).json(), { status: 400, code: 'name_rejected' }, shown)
  }
  t.equal((await mina.get('/v1/me')).json().name, null, 'nothing was changed')
  for (const name of ['홍길동', 'Mina  Kim (née Park)', '👩‍🚀', 'نام‌خانوادگی', "O'Brien; --"]) {
    t.equal((await mina.patch('/v1/me', { name })).json().name, name)
  }
})
