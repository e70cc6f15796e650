// On SQLite alone: the parsing of bodies does not depend on the database.

import t from 'tap'
import { startService } from '../helper.js'
import { holderOf, operationsOf } from '../support/operations.js'
import { requestTo } from './requests.js'

const ODD_BODIES: [name: string, type: string, payload: string][] = [
  ['another type', 'text/plain', 'x'],
  ['no type at all', '', 'x'],
  ['not JSON', 'application/json', '['],
  ['not a form', 'application/x-www-form-urlencoded', '%%%=&&&=['],
  ['too large', 'application/json', JSON.stringify({ x: 'x'.repeat(70_000) })],
  ['too large, and of another type', 'text/plain', 'x'.repeat(70_000)],
]

t.test('an unexpected body gets a status that the OpenAPI document declares', async (t) => {
  const service = await startService(t)
  const hold = holderOf(service)
  const operations = operationsOf(service).filter(({ method }) => method !== 'GET')
  t.ok(operations.length > 25)
  for (const operation of operations) {
    const { token } = await service.signUp(`person${operation.id}`.slice(0, 32))
    const statuses: Record<string, number> = {}
    for (const [name, type, payload] of ODD_BODIES) {
      const { headers, ...request } = requestTo(operation, { token, id: '999' })
      const response = await service.app.inject({ ...request, headers: { ...headers, 'content-type': type }, payload })
      hold(operation, request, response)
      statuses[name] = response.statusCode
    }
    t.same(
      Object.entries(statuses).filter(([, status]) => status >= 500),
      [],
      operation.id,
    )
  }
})
