import plugin from 'fastify-plugin'
import { RowQuota } from '../src/row-quotas.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** MAX_ROWS_PER_USER of each table that people have rows of. */
    rowQuotas: Readonly<Record<'todos' | 'tutorials', RowQuota>>
  }
}

/** How many rows an account may have, the same at every door to a table. */
export default plugin(
  async (app) => {
    const { database, config } = app
    const { todos, tutorials } = database.tables
    app.decorate('rowQuotas', {
      todos: new RowQuota(database, todos, config.MAX_ROWS_PER_USER),
      tutorials: new RowQuota(database, tutorials, config.MAX_ROWS_PER_USER),
    })
  },
  { name: 'row-quotas', dependencies: ['database'] },
)
