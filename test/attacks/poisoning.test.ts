// On SQLite alone: prototypes of JavaScript objects do not depend on the database.

import t from 'tap'
import { startService } from '../helper.js'
import { operationsOf } from '../support/operations.js'
import { exampleOf, isForm, requestTo, rowsOf } from './requests.js'

const JSON_POISONS = [
  '"__proto__":{"polluted":true}',
  '"__proto__":null',
  '"\\u005f\\u005fproto\\u005f\\u005f":{"polluted":true}',
  '"constructor":{"prototype":{"polluted":true}}',
  '"constructor":{"\\u0070rototype":{"polluted":true}}',
  '"nested":{"deep":[{"__proto__":{"polluted":true}}]}',
]
const FORM_POISONS = [
  '__proto__=polluted',
  '__proto__[polluted]=1',
  '__proto__.polluted=1',
  '%5f_proto__[polluted]=1',
  'constructor=polluted',
  'constructor[prototype][polluted]=1',
  'constructor.prototype.polluted=1',
  'username[__proto__][polluted]=1',
]
const MULTIPART = 'multipart/form-data; boundary=seam'
const TABLES = ['users', 'sessions', 'todos', 'tutorials']

t.test('no body or query of any operation pollutes object prototypes', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  for (const operation of operationsOf(service)) {
    // A new user per operation, because some requests log the user out.
    const { token } = await service.signUp(`person${operation.id}`.slice(0, 32))
    for (const { type, payload } of poisonsFor(operation)) {
      const { headers, ...request } = requestTo(operation, { token })
      const poisoned = { ...headers, ...(type !== undefined && { 'content-type': type }) }
      const response = await service.app.inject({ ...request, headers: poisoned, ...(payload && { payload }) })
      if (response.statusCode >= 500) t.fail(`${operation.id} ${payload}: ${response.statusCode}`)
      const isStrict = !operation.isCompat && type === 'application/json'
      if (isStrict && ![400, 403, 415].includes(response.statusCode)) t.fail(`${operation.id} takes ${payload}`)
    }
    for (const query of FORM_POISONS) {
      const { url, ...request } = requestTo(operation, { token })
      const { statusCode } = await service.app.inject({ ...request, url: `${url}?${query}` })
      if (statusCode >= 500) t.fail(`${operation.id} ?${query}: ${statusCode}`)
    }
    for (const object of [{}, [], () => {}]) t.equal(Reflect.get(object, 'polluted'), undefined, operation.id)
  }
  const rows = await rowsOf(service, TABLES)
  t.notMatch(JSON.stringify(rows), 'polluted')
  t.same([...new Set(rows.users?.map(({ role }) => role))], ['user'])
})

function poisonsFor(operation: ReturnType<typeof operationsOf>[number]) {
  return operation.bodies.flatMap((body) => {
    const example = exampleOf(body)
    const rest = JSON.stringify(example).slice(1)
    const form = new URLSearchParams(
      Object.entries(example).map(([name, value]): [string, string] => [name, `${value}`]),
    )
    const multipart = `--seam\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\npolluted\r\n--seam--\r\n`
    const json = JSON_POISONS.flatMap((poison) => [`{${poison},${rest}`, `[{${poison},${rest}]`])
    return [
      ...json.map((payload) => ({ type: 'application/json', payload })),
      ...FORM_POISONS.map((poison) => ({ type: 'application/x-www-form-urlencoded', payload: `${form}&${poison}` })),
      ...(isForm(operation) ? [{ type: MULTIPART, payload: multipart }] : []),
    ]
  })
}
