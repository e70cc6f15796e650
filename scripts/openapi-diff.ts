import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

// `npm run openapi:diff <base> [new]` lists the changes that would break clients of an older document, and fails if
// there are any.

type Types = string | string[]
interface Schema {
  $ref?: string
  type?: Types
  enum?: string[]
  format?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: unknown
  'x-extensible-enum'?: string[]
  [limit: string]: unknown
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
}
type Content = Record<string, { schema: Schema }>
interface Operation {
  operationId: string
  security?: unknown[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { headers?: Record<string, unknown>; content?: Content }>
}
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Schema> }
}

/** Keywords whose lower (or higher) value makes a schema stricter. */
const UPPER_LIMITS = ['maxLength', 'maximum', 'maxItems', 'maxProperties']
const LOWER_LIMITS = ['minLength', 'minimum', 'minItems', 'minProperties']

/** What a client of the old document can no longer rely on. Empty when nothing breaks. */
export function breakingChanges(old: Document, now: Document): string[] {
  return Object.entries(old.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, before]) => {
      const after = now.paths[path]?.[method]
      const name = `${method.toUpperCase()} ${path}`
      if (after === undefined) return [`${name}: the operation is gone`]
      return new Comparison(old, now, name).changes(before, after)
    }),
  )
}

/** An operation of the old document and the same operation of the new one. */
class Comparison {
  readonly #found = new Set<string>()
  readonly #seen = new Set<string>()

  constructor(
    readonly old: Document,
    readonly now: Document,
    readonly name: string,
  ) {}

  changes(before: Operation, after: Operation): string[] {
    this.#refuse(
      before.operationId !== after.operationId,
      `operationId ${before.operationId} is now ${after.operationId}`,
    )
    this.#refuse(before.security?.length === 0 && after.security?.length !== 0, 'needs a token now')
    this.#parameters(before.parameters ?? [], after.parameters ?? [])
    this.#requestBody(before.requestBody, after.requestBody)
    for (const [status, answer] of Object.entries(before.responses)) {
      const then = after.responses[status]
      if (then === undefined) {
        this.#refuse(true, `the answer ${status} is gone`)
        continue
      }
      for (const header of Object.keys(answer.headers ?? {})) {
        this.#refuse(then.headers?.[header] === undefined, `the header ${header} of ${status} is gone`)
      }
      for (const [type, { schema }] of Object.entries(answer.content ?? {})) {
        const media = then.content?.[type]
        this.#refuse(media === undefined, `${status} is no longer answered as ${type}`)
        if (media) this.#answer(status, schema, media.schema)
      }
    }
    return [...this.#found].map((change) => `${this.name}: ${change}`)
  }

  #parameters(before: Parameter[], after: Parameter[]): void {
    const find = (list: Parameter[], wanted: Parameter) =>
      list.find((parameter) => parameter.name === wanted.name && parameter.in === wanted.in)
    for (const parameter of before) {
      const then = find(after, parameter)
      this.#refuse(then === undefined, `the parameter ${parameter.name} is gone`)
      if (then) this.#request(parameter.name, parameter.schema, then.schema)
    }
    for (const parameter of after) {
      const isNew = parameter.required && !find(before, parameter)?.required
      this.#refuse(isNew, `the parameter ${parameter.name} is required now`)
    }
  }

  #requestBody(before: Operation['requestBody'], after: Operation['requestBody']): void {
    this.#refuse(after?.required && !before?.required, 'the body is required now')
    for (const [type, { schema }] of Object.entries(before?.content ?? {})) {
      const media = after?.content[type]
      this.#refuse(media === undefined, `the body is no longer taken as ${type}`)
      if (media) this.#request('body', schema, media.schema)
    }
  }

  /** A request that was valid must stay valid. */
  #request(where: string, before: Schema, after: Schema): void {
    const [was, is] = this.#resolve('request', where, before, after)
    if (was === undefined || is === undefined) return
    for (const type of typesOf(was)) this.#refuse(!typesOf(is).includes(type), `${where} cannot be ${type} any more`)
    this.#refuse(is.format !== undefined && is.format !== was.format, `${where} must be ${is.format} now`)
    if (is.enum) {
      for (const word of was.enum ?? ['any text']) {
        this.#refuse(!is.enum.includes(word), `${where} cannot be ${word} any more`)
      }
    }
    for (const limit of UPPER_LIMITS)
      this.#refuse(number(is[limit], Infinity) < number(was[limit], Infinity), `${where} has a smaller ${limit}`)
    for (const limit of LOWER_LIMITS)
      this.#refuse(number(is[limit], -Infinity) > number(was[limit], -Infinity), `${where} has a larger ${limit}`)
    for (const field of is.required ?? []) {
      this.#refuse(!was.required?.includes(field), `${where}.${field} is required now`)
    }
    for (const [field, schema] of Object.entries(was.properties ?? {})) {
      const then = is.properties?.[field]
      if (then) this.#request(`${where}.${field}`, schema, then)
      else this.#refuse(is.additionalProperties === false, `${where}.${field} is refused now`)
    }
    if (was.items && is.items) this.#request(`${where}[]`, was.items, is.items)
  }

  /** A response must keep its fields, and have no value that clients do not know. */
  #answer(where: string, before: Schema, after: Schema): void {
    const [was, is] = this.#resolve('answer', where, before, after)
    if (was === undefined || is === undefined) return
    for (const type of typesOf(is)) this.#refuse(!typesOf(was).includes(type), `${where} may be ${type} now`)
    this.#refuse(was.format !== undefined && is.format !== was.format, `${where} is no longer ${was.format}`)
    for (const word of was.enum ? (is.enum ?? ['any text']) : []) {
      this.#refuse(!was.enum?.includes(word), `${where} may be ${word} now, and clients know only what they were told`)
    }
    for (const word of [...(was.enum ?? []), ...(was['x-extensible-enum'] ?? [])]) {
      const isStillSaid = is.enum?.includes(word) || is['x-extensible-enum']?.includes(word)
      this.#refuse(!isStillSaid, `${where} is never ${word} any more`)
    }
    for (const [field, schema] of Object.entries(was.properties ?? {})) {
      const then = is.properties?.[field]
      this.#refuse(then === undefined, `${where}.${field} is gone`)
      const isLess = was.required?.includes(field) && !is.required?.includes(field)
      this.#refuse(then !== undefined && isLess, `${where}.${field} may be missing now`)
      if (then) this.#answer(`${where}.${field}`, schema, then)
    }
    if (was.items && is.items) this.#answer(`${where}[]`, was.items, is.items)
  }

  /** The schemas of two references; none when the pair was compared already. */
  #resolve(side: string, where: string, before: Schema, after: Schema): (Schema | undefined)[] {
    if (before.$ref === undefined && after.$ref === undefined) return [before, after]
    const key = `${side} ${where} ${before.$ref} ${after.$ref}`
    if (this.#seen.has(key)) return []
    this.#seen.add(key)
    const [was, is] = [resolved(before, this.old), resolved(after, this.now)]
    this.#refuse(!was || !is, `${where} refers to a shape that is not there`)
    return [was, is]
  }

  #refuse(isBroken: unknown, change: string): void {
    if (isBroken) this.#found.add(change)
  }
}

function resolved(schema: Schema, { components }: Document): Schema | undefined {
  return schema.$ref === undefined ? schema : components?.schemas?.[schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)]
}

function typesOf({ type }: Schema): string[] {
  return typeof type === 'string' ? [type] : (type ?? [])
}

function number(limit: unknown, otherwise: number): number {
  return typeof limit === 'number' ? limit : otherwise
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , base, target = 'openapi.json'] = process.argv
  if (base === undefined) {
    process.stderr.write(
      'Usage: npm run openapi:diff <base> [new]\n\nFor example: git show v0.1.0:openapi.json > base.json && npm run openapi:diff base.json\n',
    )
    process.exit(64)
  }
  const [old, now] = await Promise.all(
    [base, target].map(async (path) => JSON.parse(await readFile(path, 'utf8')) as Document),
  )
  const changes = breakingChanges(old as Document, now as Document)
  process.stdout.write(
    changes.length === 0
      ? 'Nothing breaks.\n'
      : `${changes.join('\n')}\n\n${changes.length} changes break clients of ${base}.\n`,
  )
  process.exit(changes.length === 0 ? 0 : 1)
}
