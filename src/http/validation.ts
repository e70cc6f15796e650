import { AjvCompiler } from '@fastify/ajv-compiler'

// Fastify's defaults would coerce 123 to "123" and ["a"] to "a", and would drop unknown fields silently.
const STRICT = {
  coerceTypes: false as const,
  removeAdditional: false as const,
  useDefaults: true,
  allErrors: true,
  // A test validates the schemas against the JSON Schema meta-schema. Doing so at start took a fifth of the start time.
  meta: false,
  validateSchema: false,
}
const ajvFactory = AjvCompiler()

// Booleans as other languages write them: True in Python, 1 in PHP, `on` in HTML forms. pydantic accepts the same.
const YES = /^(true|t|yes|y|on|1)$/i
const NO = /^(false|f|no|n|off|0)$/i

const readers: Record<string, (text: string) => unknown> = {
  integer: (text) => (/^-?\d{1,16}$/.test(text) ? Number(text) : text),
  boolean: (text) => (YES.test(text) ? true : NO.test(text) ? false : text),
}

// Fastify passes an object with the schema and its HTTP part, which the type of the factory omits.
type Factory = ReturnType<typeof AjvCompiler>
type Validate = { (data: unknown): boolean; errors?: unknown }
type TextSchema = { properties?: Record<string, { type?: string }> }
type Compile = (route: { schema: TextSchema; httpPart?: string }) => Validate

/**
 * Builds validators without coercion. Queries, paths and headers are the exception: their values are text, so numbers
 * and booleans are parsed.
 */
export const buildValidator = ((externalSchemas: Parameters<Factory>[0], options: Parameters<Factory>[1]): Compile => {
  const strict = { ...options, customOptions: STRICT } as Parameters<Factory>[1]
  let compile: Compile | undefined
  return (route) => {
    const validate = whenNeeded(() => {
      compile ??= ajvFactory(externalSchemas, strict) as unknown as Compile
      return compile(route)
    })
    return route.httpPart === 'body' ? validate : readingText(route.schema, validate)
  }
}) as unknown as Factory

/**
 * Compiles a validator at its first use. Compiling a hundred at start would be wasted: most routes are rarely called.
 */
function whenNeeded(make: () => Validate): Validate {
  let made: Validate | undefined
  const check: Validate = (data) => {
    made ??= make()
    const isValid = made(data)
    check.errors = made.errors
    return isValid
  }
  return check
}

function readingText(schema: TextSchema, validate: Validate): Validate {
  const typed = Object.entries(schema.properties ?? {}).flatMap(([name, { type = '' }]) => {
    const read = readers[type]
    return read ? [{ name, read }] : []
  })
  if (typed.length === 0) return validate
  const check: Validate = (data) => {
    const values = data as Record<string, unknown>
    for (const { name, read } of typed) {
      const value = values[name]
      if (typeof value === 'string') values[name] = read(value)
    }
    const isValid = validate(data)
    check.errors = validate.errors
    return isValid
  }
  return check
}
