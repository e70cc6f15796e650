import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'

type Serialize = (document: unknown) => string

const factory = SerializerSelector()

/**
 * Serializers, made when first needed and once for all routes of a file: there are hundreds of them, most for errors that
 * never come, and the eight errors of an operation are one shape.
 */
export const buildSerializer: typeof factory = (externalSchemas, options) => {
  const compile = factory(externalSchemas, options)
  const known = new Map<string, Serialize>()
  return (route) => {
    const shape = JSON.stringify(route.schema)
    return (document) => {
      let serialize = known.get(shape)
      if (serialize === undefined) {
        serialize = compile(route)
        known.set(shape, serialize)
      }
      return serialize(document)
    }
  }
}
