import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'

type Serialize = (document: unknown) => string

const factory = SerializerSelector()

/**
 * Serializers, compiled at their first use and shared by the routes of a file. There are hundreds of them, most for errors
 * that never occur, and the eight errors of an operation have one schema.
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
