import { type Static, type TSchema, Type } from '@sinclair/typebox'

/** A reference to a registered schema: a name in the document, and the schema's type in the code. */
export function ref<Schema extends TSchema>(schema: Schema) {
  return Type.Unsafe<Static<Schema>>(Type.Ref(schema.$id ?? ''))
}

/** A string or null, in the only form that documents, validators and generated clients all understand. */
export function nullable(options: Record<string, unknown>) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], ...options })
}

/** An enum, in the only form that documents and generated clients all understand. */
export function oneOf<const Word extends string>(words: readonly Word[], options: Record<string, unknown> = {}) {
  return Type.Unsafe<Word>({ type: 'string', enum: [...words], ...options })
}

export const createdAt = Type.String({ format: 'date-time', description: 'Time of creation, in UTC.' })
export const updatedAt = Type.String({ format: 'date-time', description: 'Time of the last change, in UTC.' })

/** An id. With `int64`: otherwise, generated clients of typed languages use 32 bits, and imported ids are larger. */
export function idOf(description: string, bounds: { minimum?: number; maximum?: number } = {}) {
  return Type.Integer({ format: 'int64', ...bounds, description })
}

/** An id in a request: at most the largest safe integer of JavaScript. */
export function sentId(description: string) {
  return idOf(description, { minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
}

export const rowId = idOf('The id of the row.')

export function pageOf<Schema extends TSchema>(schema: Schema) {
  return Type.Array(ref(schema), { description: 'The items on this page.' })
}

/** A row's id in a path. The validator reads only decimal digits, so that `0x10` and blanks are refused. */
export const IdParams = Type.Object({ id: sentId('The id of the row.') })

/** A response without a body. */
export function noContent(description: string, headers?: Record<string, TSchema>) {
  return Type.Unsafe<undefined>(Type.Null({ description, ...(headers && { headers }) }))
}

export const etagHeader = {
  ETag: Type.String({ description: 'The version of the row, for If-Match and If-None-Match.' }),
}

/** A response with one row and its ETag. */
export function rowAnswer<Schema extends TSchema>(schema: Schema) {
  return {
    description: 'The row.',
    headers: etagHeader,
    content: { 'application/json': { schema: ref(schema) } },
  }
}

export const ifMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The ETag of your copy. The request fails if the row has another ETag by now.' }),
  ),
})

export const ifNoneMatch = Type.Object({
  'if-none-match': Type.Optional(Type.String({ description: 'The ETag of your copy.' })),
})
