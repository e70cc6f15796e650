import t, { type Test } from 'tap'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

interface Page {
  items: { id: number; type: string; user_id: number | null }[]
  next_cursor: string | null
}

const FIELDS = [
  'actor_client_id',
  'actor_id',
  'created_at',
  'id',
  'ip',
  'reason',
  'request_id',
  'session_id',
  'type',
  'user_id',
]
const DAY = 86_400_000
const NOON = Date.UTC(2026, 10, 20, 12)

t.test('events are listed newest first, each with exactly the public fields', async (t) => {
  const { boss, mina } = await setUp(t)
  await mina.patch('/v1/me', { name: 'Mina' })
  const { items, next_cursor } = (await boss.get('/v1/events')).json()
  t.equal(next_cursor, null)
  for (const item of items) t.same(Object.keys(item).sort(), FIELDS)
  t.same(
    items.map(({ id }: { id: number }) => id),
    items.map(({ id }: { id: number }) => id).sort((a: number, b: number) => b - a),
  )
  t.match(items[0], { type: 'user.updated', user_id: mina.id })
})

t.test('events are filtered by type, user and time, alone and combined', async (t) => {
  const { service, boss } = await setUp(t)
  await replaceEvents(service, [
    { type: 'login.succeeded', userId: 7, createdAt: NOON },
    { type: 'login.failed', userId: 7, createdAt: NOON + 1_000 },
    { type: 'login.failed', userId: 8, createdAt: NOON + 2_000 },
    { type: 'login.failed', userId: null, createdAt: NOON + 3_000 },
    { type: 'account.locked', userId: 8, createdAt: NOON + 4_000 },
  ])
  const at = (seconds: number) => new Date(NOON + seconds * 1_000).toISOString()
  const filters: Record<string, number[]> = {
    '': [5, 4, 3, 2, 1],
    'type=login.failed': [4, 3, 2],
    'type=user.deleted': [],
    'user_id=7': [2, 1],
    'user_id=9007199254740991': [],
    'user_id=7&type=login.failed': [2],
    [`since=${at(2)}`]: [5, 4, 3],
    [`until=${at(2)}`]: [2, 1],
    [`since=${at(1)}&until=${at(3)}`]: [3, 2],
    [`since=${at(3)}&until=${at(1)}`]: [],
    [`since=${at(1)}&until=${at(4)}&user_id=8&type=login.failed`]: [3],
    'since=2026-11-20T21:00:02%2B09:00': [5, 4, 3],
    'since=2026-11-20T12:00:02.001Z': [5, 4],
  }
  for (const [query, expected] of Object.entries(filters)) t.same(await numbers(boss, query), expected, query)
})

t.test('an invalid filter is rejected rather than ignored', async (t) => {
  const { boss } = await setUp(t)
  const refused = [
    'type=',
    'type=login',
    'type=LOGIN.FAILED',
    'type=unknown',
    'type=login.failed&type=login.succeeded',
    'user_id=',
    'user_id=0',
    'user_id=-1',
    'user_id=mina',
    'user_id=1e1',
    'user_id=%20',
    'user_id=9007199254740992',
    'since=',
    'since=yesterday',
    'since=2026-11-20',
    'since=2026-11-20T12:00:00',
    'since=1795608000000',
    'until=2026-02-30T00:00:00Z',
    'limit=0',
    'limit=101',
    'actor_id=1',
    'ip=127.0.0.1',
    'offset=5',
  ]
  for (const query of refused) {
    t.match((await boss.get(`/v1/events?${query}`)).json(), { status: 400, code: 'validation_failed' }, query)
  }
  t.match((await boss.get('/v1/events?cursor=garbage')).json(), { status: 400, code: 'invalid_cursor' })
})

// RFC 3339 allows times that JavaScript cannot parse. Treated as NaN, they would produce an empty list that looks like
// a quiet log.
t.test('a filter with an unusual time is rejected, or divides the events at that time', async (t) => {
  const { service, boss } = await setUp(t)
  const times = ['2016-12-31T14:58:00Z', '2016-12-31T14:59:30Z', '2016-12-31T23:58:00Z', '2017-01-01T00:01:00Z']
  await replaceEvents(
    service,
    times.map((time) => ({ type: 'login.failed', createdAt: Date.parse(time) })),
  )
  const newest = { '2016-12-31T23:59:60Z': 1, '2016-12-31 23:59:00Z': 1, '2016-12-31T23:59:00%2B0900': 3 }
  for (const [time, count] of Object.entries(newest)) {
    for (const [query, expected] of [
      [`since=${time}`, [4, 3, 2].slice(0, count)],
      [`until=${time}`, [4, 3, 2, 1].slice(count)],
    ] as const) {
      const answer = await boss.get(`/v1/events?${query}`)
      if (answer.statusCode !== 400) t.same(await numbers(boss, query), expected, `${query}: ${answer.body}`)
    }
  }
})

t.test('paging with the cursor returns each event once, and keeps the filter', async (t) => {
  const { service, boss } = await setUp(t)
  const types = ['login.failed', 'login.succeeded']
  const rows = Array.from({ length: 30 }, (_, n) => ({ type: types[n % 2] ?? '', userId: 7, createdAt: NOON }))
  await replaceEvents(service, rows)
  for (const [filter, count] of Object.entries({ '': 30, 'type=login.failed': 15, 'user_id=7': 30 })) {
    const seen: number[] = []
    let next: string | null = ''
    while (next !== null) {
      const page: Page = await list(boss, `limit=7&${filter}${next === '' ? '' : `&cursor=${next}`}`)
      seen.push(...page.items.map(({ id }) => id))
      next = page.next_cursor
      // Newer events that are recorded meanwhile must not shift the remaining pages.
      await service.app.events.record({ type: 'user.updated', userId: 9 })
    }
    t.equal(seen.length, count, filter)
    t.equal(new Set(seen).size, count, filter)
  }
})

t.test('the events of a deleted account are kept', async (t) => {
  const { boss, mina } = await setUp(t)
  await mina.patch('/v1/me', { name: 'Mina' })
  await mina.post('/v1/me/delete', { current_password: PASSWORD })
  const { items } = await list(boss, `user_id=${mina.id}`)
  t.same(
    items.map(({ type }) => type),
    ['user.deleted', 'user.updated', 'user.registered'],
  )
})

t.test('only events older than EVENTS_RETENTION are deleted', async (t) => {
  for (const [setting, days] of Object.entries({ '90d': 90, '1d': 1 })) {
    const { service, boss } = await setUp(t, { EVENTS_RETENTION: setting })
    const row = { type: 'login.succeeded', userId: 7 }
    const edge = Date.now() - days * DAY
    await replaceEvents(service, [
      { ...row, createdAt: edge - 60_000 },
      { ...row, createdAt: 0 },
      { ...row, createdAt: edge + 60_000 },
      { ...row, createdAt: Date.now() },
    ])
    await service.app.events.prune()
    t.same(await numbers(boss, ''), [4, 3], setting)
  }
})

t.test('the audit log never contains a secret, not even one typed into the wrong field', async (t) => {
  const { service, boss, mina } = await setUp(t)
  const secrets = [PASSWORD, 'four louder lanterns', 'five loudest lanterns', 'a wrong password']
  const [, second = '', third = '', wrong = ''] = secrets
  const logIn = (username: string, password: string) => service.post('/v1/login', { username, password })
  await logIn('mina', wrong)
  await logIn(wrong, wrong)
  await logIn(PASSWORD, 'mina')
  await logIn(`${wrong}@example.com`, wrong)
  const refreshed = await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  await service.post('/v1/refresh', { refresh_token: mina.token })
  await mina.patch('/v1/me', { email: 'mina@example.com', current_password: PASSWORD })
  await mina.post('/v1/me/password', { current_password: wrong, new_password: second })
  await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: second })
  const { token } = (await boss.post(`/v1/users/${mina.id}/password-reset`)).json()
  await service.post('/v1/password-reset', { token, new_password: third })
  const { access_token, refresh_token } = refreshed.json()
  secrets.push(token, access_token, refresh_token, mina.token, mina.login.refresh_token, boss.token)
  const { db, tables } = service.app.database
  for (const { passwordHash } of await db.select().from(tables.users)) secrets.push(String(passwordHash))
  const log = JSON.stringify(await db.select().from(tables.events))
  t.ok(log.includes('login.failed') && log.includes('password_reset.used'))
  for (const secret of secrets) t.notMatch(log, secret)
})

async function setUp(t: Test, settings: { EVENTS_RETENTION?: string } = {}) {
  const service = await startService(t, settings)
  const boss = await signUpAdmin(service, 'boss')
  return { service, boss, mina: await service.signUp('mina') }
}

type Row = Service['app']['database']['tables']['events']['$inferInsert']

/** Replaces all events with these rows, whose ids start at 1. */
async function replaceEvents({ app }: Service, rows: Row[]): Promise<void> {
  const { db, tables } = app.database
  await db.delete(tables.events)
  await db.insert(tables.events).values(rows.map((row, index) => ({ ...row, id: index + 1 })))
  await app.database.setLastId(db, 'events', rows.length)
}

async function list(boss: Person, query: string): Promise<Page> {
  const answer = await boss.get(`/v1/events?${query}`)
  if (answer.statusCode !== 200) throw new Error(`${query}: ${answer.body}`)
  return answer.json()
}

async function numbers(boss: Person, query: string): Promise<number[]> {
  return (await list(boss, query)).items.map(({ id }) => id)
}
