import t from 'tap'
import { claimsOf, startService } from '../helper.js'

t.test('a valid token returns 204 without a body, and its user in the headers', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  for (const person of [mina, joon]) {
    const answer = await person.get('/v1/verify')
    t.equal(answer.statusCode, 204)
    t.equal(answer.body, '')
    t.equal(answer.headers['x-latchkey-subject'], String(person.id))
    t.equal(answer.headers['x-latchkey-role'], 'user')
    t.equal(answer.headers['x-latchkey-session'], claimsOf(person.token).sid)
    t.equal(answer.headers['cache-control'], 'no-store')
  }
})

t.test('a missing or invalid token, or a token of an ended session, returns 401 without a user header', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  t.equal((await mina.get('/v1/verify')).statusCode, 204)
  await mina.post('/v1/logout')
  const [head, , signature] = mina.token.split('.')
  const forged = [head, joon.token.split('.')[1], signature].join('.')
  const refused = [
    { headers: {}, code: 'missing_token' },
    { headers: { authorization: `Basic ${joon.token}` }, code: 'missing_token' },
    { headers: { authorization: `Bearer ${mina.token}` }, code: 'invalid_token' },
    { headers: { authorization: `Bearer ${forged}` }, code: 'invalid_token' },
    { headers: { authorization: `Bearer ${joon.login.refresh_token}` }, code: 'invalid_token' },
    { headers: { 'x-latchkey-subject': String(joon.id), 'x-latchkey-role': 'admin' }, code: 'missing_token' },
  ]
  for (const { headers, code } of refused) {
    const answer = await service.get('/v1/verify', headers)
    t.match(answer.json(), { status: 401, code }, JSON.stringify(headers).slice(0, 40))
    t.match(answer.headers['www-authenticate'], /^Bearer realm="latchkey"/)
    t.same(
      Object.keys(answer.headers).filter((name) => name.startsWith('x-latchkey-')),
      [],
    )
  }
  t.equal((await joon.get('/v1/verify')).statusCode, 204)
})

t.test('/v1/verify returns 401 for a malformed Authorization header: nginx would make a 500 of a 400', async (t) => {
  const service = await startService(t)
  const { token } = await service.signUp('mina')
  const odd = [
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer "x"',
    `Bearer  ${token}`,
    `Bearer ${token},`,
    `Bearer ${token} x`,
    'bearer\tx',
    'Bearer é',
    'Bearer %',
    'x',
    ':',
    `${token}`,
    `Bearer ${'x'.repeat(5_000)}`,
  ]
  for (const authorization of odd) {
    const answer = await service.get('/v1/verify', { authorization })
    t.match(
      answer.json(),
      { status: 401, code: /^(missing|invalid)_token$/ },
      JSON.stringify(authorization.slice(0, 40)),
    )
    t.match(answer.headers['www-authenticate'], /^Bearer realm="latchkey"/)
    t.equal(answer.headers['x-latchkey-subject'], undefined)
  }
  t.match(
    (await service.get('/v1/me', { authorization: 'Bearer a b' })).json(),
    { status: 400 },
    'other endpoints return 400',
  )
})

t.test('a token in the URL is ignored', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  t.match((await service.get(`/v1/verify?access_token=${mina.token}`)).json(), { status: 401, code: 'missing_token' })
})
