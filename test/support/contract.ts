import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import findMyWay from 'find-my-way'

interface Exchange {
  method: string
  path: string
  status: number
  headers: Record<string, unknown>
  body: string
}

interface DocumentedResponse {
  headers?: Record<string, { description?: string }>
  content?: Record<string, { schema: object }>
}

type DocumentedOperation = { operationId: string; responses: Record<string, DocumentedResponse> }

export interface Contract {
  /** @throws Error when the OpenAPI document does not declare the response's status, content type, body or headers */
  check(exchange: Exchange): void
  /** The number of responses checked. */
  readonly checked: number
}

/** The description of an optional header starts with this word. */
const CONDITIONAL = /^Only /
/**
 * Deliberately undocumented: /docs, the documents themselves, the redirect to /docs, the metadata of an issuer with a
 * path.
 */
const UNDOCUMENTED = /^\/(docs(\/.*)?|openapi(-3\.0|-compat)?\.json|\.well-known\/oauth-authorization-server\/.+)?$/
const PROBLEM = '#/components/schemas/Problem'

type Document = Record<string, unknown>

interface Compiled {
  ajv: Ajv2020
  router: ReturnType<typeof findMyWay>
}

/** The compiled schemas of each document, shared by the services that have it. */
const compiled = new WeakMap<Document, Compiled>()

/** Checks responses against an OpenAPI 3.1 document, whose schemas are JSON Schema 2020-12. */
export function contractOf(document: Document): Contract {
  const { ajv, router } = compiled.get(document) ?? compile(document)
  let checked = 0

  function checkBody(pointer: string, { method, path, status, body }: Exchange): void {
    const validate = ajv.getSchema(`openapi${pointer}`)
    if (validate === undefined) throw new Error(`no schema at ${pointer}`)
    if (!validate(JSON.parse(body))) {
      throw new Error(`${method} ${path} ${status}: ${ajv.errorsText(validate.errors)} in ${body}`)
    }
  }

  function check(exchange: Exchange): void {
    const { method, path, status, headers, body } = exchange
    const found = router.find('GET', path)?.store as { path: string; operations: Record<string, DocumentedOperation> }
    const name = (method === 'HEAD' ? 'get' : method).toLowerCase()
    const operation = found?.operations[name]
    checked += 1
    // Bytes that are not HTTP are refused before routing.
    if (status === 400 && (method === 'HEAD' || JSON.parse(body).code === 'malformed_request')) return
    if (operation === undefined) {
      if (UNDOCUMENTED.test(path) && status < 400) return
      if (![400, 404, 405, 431].includes(status)) throw new Error(`${method} ${path} ${status} is not documented`)
      if (method !== 'HEAD') checkBody(PROBLEM, exchange)
      return
    }
    const response = operation.responses[status]
    if (response === undefined) throw new Error(`${operation.operationId}: status ${status} is not declared: ${body}`)
    for (const [header, { description = '' }] of Object.entries(response.headers ?? {})) {
      if (headers[header.toLowerCase()] === undefined && !CONDITIONAL.test(description))
        throw new Error(`${operation.operationId} ${status}: no ${header}`)
    }
    const contentType = String(headers['content-type'] ?? '').split(';')[0] ?? ''
    if (response.content === undefined) {
      if (body !== '') throw new Error(`${operation.operationId} ${status}: has a body, none is declared: ${body}`)
      return
    }
    if (response.content[contentType] === undefined) {
      throw new Error(`${operation.operationId} ${status}: content type ${contentType} is not declared`)
    }
    if (method === 'HEAD') return
    const pointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))
    checkBody(
      `#/paths/${pointer(found.path)}/${name}/responses/${status}/content/${pointer(contentType)}/schema`,
      exchange,
    )
  }

  return {
    check,
    get checked() {
      return checked
    },
  }
}

function compile(document: Document): Compiled {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ ...document, $id: 'openapi' })
  const router = findMyWay()
  const paths = document.paths as Record<string, Record<string, DocumentedOperation>>
  for (const [path, operations] of Object.entries(paths)) {
    router.on('GET', path.replaceAll(/\{(\w+)\}/g, ':$1'), () => {}, { path, operations })
  }
  compiled.set(document, { ajv, router })
  return { ajv, router }
}
