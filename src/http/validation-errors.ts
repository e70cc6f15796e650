import type { FastifySchemaValidationError } from 'fastify'
import type { FieldError } from '../problems.js'

/** The most errors that a response lists. */
export const ERRORS_SHOWN = 20
/** Longer names of unknown fields are truncated, because the client chooses them. */
const NAME_SHOWN = 100

const TYPES: Record<string, string> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'an array',
  null: 'null',
}
const FORMATS: Record<string, string> = {
  'date-time': 'a date and time with a time zone, such as 2026-11-20T09:00:00Z',
  uuid: 'a UUID, such as 7d1c5b2e-3f64-4c0a-9b8e-1f2a3b4c5d6e',
}

type Params = Record<string, unknown>

/** The message for each JSON Schema keyword, to follow the name of the field. */
const DEMANDS: Record<string, (params: Params) => string> = {
  required: () => 'is required',
  additionalProperties: ({ additionalProperty }) => `unknown field: ${shortened(String(additionalProperty))}`,
  type: ({ type }) => `must be ${[type].flat().map(typeName).join(' or ')}`,
  enum: ({ allowedValues }) => `must be one of: ${(allowedValues as unknown[]).join(', ')}`,
  format: ({ format }) => `must be ${FORMATS[String(format)] ?? `a valid ${format}`}`,
  minLength: ({ limit }) => (limit === 1 ? 'must not be empty' : `must have at least ${limit} characters`),
  maxLength: ({ limit }) => `must have at most ${limit} characters`,
  minimum: ({ limit }) => `must be at least ${limit}`,
  maximum: ({ limit }) => `must be at most ${limit}`,
  minProperties: ({ limit }) => `must have at least ${limit === 1 ? 'one field' : `${limit} fields`}`,
}

/** Converts validation errors of Ajv to field errors. */
export function fieldErrors(found: FastifySchemaValidationError[], context: string): FieldError[] {
  return found.slice(0, ERRORS_SHOWN).map(({ keyword, instancePath, params, message = 'is not valid' }) => ({
    in: context,
    path: instancePath + pointerTo(params.missingProperty ?? params.additionalProperty),
    message: DEMANDS[keyword]?.(params) ?? message,
  }))
}

/** The last segment of a JSON pointer, RFC 6901 section 3. Empty if the error is not about one field. */
function pointerTo(field: unknown): string {
  return typeof field === 'string' ? `/${shortened(field).replaceAll('~', '~0').replaceAll('/', '~1')}` : ''
}

function typeName(type: unknown): string {
  return TYPES[String(type)] ?? String(type)
}

function shortened(name: string): string {
  return name.length > NAME_SHOWN ? `${name.slice(0, NAME_SHOWN)}...` : name
}
