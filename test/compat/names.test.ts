import t from 'tap'
import { printable } from '../../src/terminal.js'
import { startCompat } from './wire.js'

const ADD = 'POST /users/add_user/'
const REGISTER = 'POST /register'
const PASSWORD = 'a tutorial password'

const REFUSED_USERNAMES: Record<string, string[]> = {
  reserved: ['admin', 'ROOT', 'support', 'ａｄｍｉｎ'],
  'letters of one script': [
    'ada\u200b',
    'аda',
    'ada\u3164',
    'x\u202enimda',
    'ada\ufeff',
    'ada\u0007',
    'ada\u001b[2J',
    'ada\r\nBcc: all',
    'ada\u2028',
    'ada\u009b1A',
    'ada@example.com',
    'ada＠example.com',
    ' ',
  ],
}

t.test('the tutorial sign-up rejects the user names that v1 rejects, in its own error format', async (t) => {
  const { send, service } = await startCompat(t)
  for (const [rule, names] of Object.entries(REFUSED_USERNAMES)) {
    for (const username of names) {
      const shown = printable(username)
      const answer = await send(ADD, { json: { username, password: PASSWORD } })
      t.equal(answer.status, 422, shown)
      const [flaw, ...others] = JSON.parse(answer.text).detail
      t.match(flaw, { type: 'value_error', loc: ['body', 'username'], input: null }, shown)
      t.match(flaw.msg, rule, shown)
      t.same(others, [])
      const v1 = await service.post('/v1/register', { username, password: PASSWORD })
      t.equal(v1.statusCode, 400, `${shown} at v1`)
    }
  }
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.users), 0, 'no account was created')
})

t.test('the tutorial sign-up accepts user names of 1 to 250 characters', async (t) => {
  const { send } = await startCompat(t)
  for (const username of ['a', 'ab', '민', 'x'.repeat(250), '가'.repeat(250), '한글사용자']) {
    t.equal((await send(ADD, { json: { username, password: PASSWORD } })).status, 200, username)
  }
})

t.test('the tutorial sign-ups reject invalid e-mail addresses and control characters in display names', async (t) => {
  const { send, service } = await startCompat(t)
  const addresses = [
    'x@example.com\r\nBcc: all@example.com',
    'x@example.com\n',
    'x\u0000@example.com',
    'x\u200b@example.com',
    'x\u202e@example.com',
    'x@example',
    'x',
    'a@b@example.com',
  ]
  for (const email of addresses) {
    const answer = await send(REGISTER, { json: { name: 'Ada', email, password: PASSWORD } })
    t.equal(answer.status, 400, printable(email))
    t.same(Object.keys(JSON.parse(answer.text)), ['msg'])
  }
  for (const name of [
    'a\nb',
    'a\r',
    '\u001b[2J',
    'a\u009b1A',
    'a\u202eb',
    'a\u2066b',
    'a\u061cb',
    'a\u2028b',
    '\u0007',
  ]) {
    const shown = printable(name)
    const flask = await send(REGISTER, { json: { name, email: 'ada@example.com', password: PASSWORD } })
    t.equal(flask.status, 400, shown)
    t.match(JSON.parse(flask.text), { msg: /^A name has no line breaks/ }, shown)
    const fastapi = await send(ADD, { json: { username: 'ada', fullname: name, password: PASSWORD } })
    t.equal(fastapi.status, 422, shown)
    t.match(JSON.parse(fastapi.text).detail, [{ type: 'value_error', loc: ['body', 'fullname'] }], shown)
  }
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.users), 0, 'no account was created')
  const good = { name: '홍길동 (Hong) 👩‍🚀', email: 'Hong@example.com', password: PASSWORD }
  t.equal((await send(REGISTER, { json: good })).status, 200)
})
