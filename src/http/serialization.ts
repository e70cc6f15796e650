import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'

type Serialize = (document: unknown) => string

const factory = SerializerSelector()

/**
 * Compiles serializers at their first use and shares them between equal schemas of a route file. There are hundreds,
 * mostly for errors that never occur, and the eight errors of an operation share one schema.
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
