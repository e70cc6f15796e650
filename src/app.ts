import type { Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import authenticate from '../plugins/authenticate.js'
import authorization from '../plugins/authorization.js'
import bodies from '../plugins/http/bodies.js'
import clientCors from '../plugins/http/client-cors.js'
import cors from '../plugins/http/cors.js'
import drain from '../plugins/http/drain.js'
import headers from '../plugins/http/headers.js'
import httpRules from '../plugins/http/http-rules.js'
import pipelines from '../plugins/http/pipelines.js'
import pressure from '../plugins/http/pressure.js'
import problems from '../plugins/http/problems.js'
import proxies from '../plugins/http/proxies.js'
import rateLimit from '../plugins/http/rate-limit.js'
import tracing from '../plugins/http/tracing.js'
import unreadAnswers from '../plugins/http/unread-answers.js'
import metrics from '../plugins/metrics.js'
import oauth from '../plugins/oauth.js'
import openapi from '../plugins/openapi.js'
import pages from '../plugins/pages.js'
import rowQuotas from '../plugins/row-quotas.js'
import upkeep from '../plugins/upkeep.js'
import type { Config } from './config/config.js'
import { domain } from './domain.js'
import { BrokenRequests } from './http/broken-requests.js'
import { httpOptions } from './http/server-options.js'
import { routes } from './routes.js'
import { REQUEST_TIMEOUTS } from './timeouts.js'

/** Builds the whole service, ready to listen or for `inject`. */
export async function buildApp(config: Config): Promise<FastifyInstance> {
  const brokenRequests = new BrokenRequests(config)
  const app = Fastify(httpOptions(config, brokenRequests)).withTypeProvider<TypeBoxTypeProvider>()
  app.server.on('connect', (request, socket) => brokenRequests.refuseTunnel(request, socket as Socket))
  try {
    await compose(app, config)
    return app
  } catch (error) {
    // An open connection pool would keep a process alive that cannot start.
    await app.close()
    throw error
  }
}

async function compose(app: FastifyInstance, config: Config): Promise<void> {
  app.decorate('config', config)
  app.decorate('timeouts', REQUEST_TIMEOUTS)

  // Hooks of every request.
  await app.register(pipelines)
  await app.register(tracing)
  await app.register(problems)
  await app.register(headers)
  // Before the plugins that refuse requests: a page must be able to read the error.
  await app.register(clientCors)
  await app.register(cors)
  await app.register(httpRules)
  await app.register(bodies)
  await app.register(unreadAnswers)
  await app.register(drain)
  await app.register(pressure)
  await app.register(proxies)
  await app.register(rateLimit)
  await app.register(openapi)

  // Data and services.
  for (const part of domain) await app.register(part)
  await app.register(oauth)
  await app.register(authorization)
  await app.register(rowQuotas)
  await app.register(upkeep)
  await app.register(metrics)

  await app.register(pages)

  // Authentication and routes.
  await app.register(authenticate)
  for (const route of routes) await app.register(route)
}
