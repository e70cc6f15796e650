import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { startService } from '../helper.js'

// The service itself does not look (src/http/validation.ts): it would cost a fifth of each start.
t.test('every schema of a route is a schema', async (t) => {
  const { app } = await startService(t)
  const ajv = new Ajv2020({ strict: false })
  for (const document of [app.swagger(), app.openapiCompat()]) {
    const schemas = schemasIn(document)
    t.ok(schemas.length > 50)
    const wrong = schemas.filter((schema) => !ajv.validateSchema(schema as object))
    t.same(wrong, [])
  }
})

/** What stands under `schema` anywhere in a document, and under `components.schemas`. */
function schemasIn(part: unknown): unknown[] {
  if (typeof part !== 'object' || part === null) return []
  return Object.entries(part).flatMap(([name, value]) => {
    if (name === 'schema') return [value]
    if (name === 'schemas') return Object.values(value as object)
    return schemasIn(value)
  })
}
