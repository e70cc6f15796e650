import type { FastifyPluginAsync } from 'fastify'
import fastapiLogin from './compat/fastapi-login.js'
import fastapiTodo from './compat/fastapi-todo.js'
import flaskRestfulLogin from './compat/flask-restful-login.js'
import flaskSmorestLogin from './compat/flask-smorest-login.js'
import flaskTutorials from './compat/flask-tutorials.js'
import docs from './docs.js'
import health from './health.js'
import metrics from './metrics.js'
import root from './root.js'
import auth from './v1/auth.js'
import events from './v1/events.js'
import me from './v1/me.js'
import passwordReset from './v1/password-reset.js'
import sessions from './v1/sessions.js'
import todos from './v1/todos.js'
import token from './v1/token.js'
import tutorials from './v1/tutorials.js'
import users from './v1/users.js'
import verify from './v1/verify.js'
import wellKnown from './well-known.js'

/** What the service itself answers; the whole path stands in each route. */
export const routes: FastifyPluginAsync[] = [
  docs,
  health,
  metrics,
  root,
  wellKnown,
  auth,
  events,
  me,
  passwordReset,
  sessions,
  todos,
  token,
  tutorials,
  users,
  verify,
]

/** What the five tutorial back ends answer. */
export const compatRoutes: FastifyPluginAsync[] = [
  fastapiLogin,
  fastapiTodo,
  flaskRestfulLogin,
  flaskSmorestLogin,
  flaskTutorials,
]
