import type { FastifyInstance } from 'fastify'

export interface Route {
  method: string
  path: string
}

/**
 * Parses the routes that find-my-way prints: a tree of path segments, with the methods after the last segment of a
 * route.
 */
export function routesOf(app: FastifyInstance): Route[] {
  const parts: string[] = []
  return app
    .printRoutes()
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^((?:[│ ] {3})*)[├└]── (\S+)(?: \((.+)\))?$/.exec(line) ?? []
      parts.splice(indent.length / 4, Number.POSITIVE_INFINITY, part)
      return methods === '' ? [] : methods.split(', ').map((method) => ({ method, path: parts.join('') }))
    })
}

/** A request to a route without a token, with ids that do not exist. */
export function without({ method, path }: Pick<Route, 'method' | 'path'>) {
  return { method: method as 'GET', url: path.replaceAll(/:\w+/g, '1').replace('*', 'nothing') }
}
