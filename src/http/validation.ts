import { AjvCompiler } from '@fastify/ajv-compiler'

// Fastify's defaults would coerce 123 to "123" and ["a"] to "a", and would drop unknown fields silently.
const STRICT = {
  coerceTypes: false as const,
  removeAdditional: false as const,
  useDefaults: true,
  allErrors: true,
  // A test validates the schemas against JSON Schema's own; doing so here took a fifth of the start.
  meta: false,
  validateSchema: false,
}
const ajvFactory = AjvCompiler()

// How other languages write a boolean: Python's str(True), PHP's 1, a form's on. What pydantic takes, too.
const YES = /^(true|t|yes|y|on|1)$/i
const NO = /^(false|f|no|n|off|0)$/i

const readers: Record<string, (text: string) => unknown> = {
  integer: (text) => (/^-?\d{1,16}$/.test(text) ? Number(text) : text),
  boolean: (text) => (YES.test(text) ? true : NO.test(text) ? false : text),
}

// Fastify passes an object with the schema and its place, which the type of the factory does not say.
type Factory = ReturnType<typeof AjvCompiler>
type Validate = { (data: unknown): boolean; errors?: unknown }
type TextSchema = { properties?: Record<string, { type?: string }> }
type Compile = (route: { schema: TextSchema; httpPart?: string }) => Validate

/** Validators without coercion, but for queries, paths and headers: their values are text, so numbers are parsed. */
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

/** Compiles a validator at its first use: a start would compile a hundred, most for routes that are rarely called. */
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
