import plugin from 'fastify-plugin'
import { RowQuota } from '../src/api/row-quotas.js'
import { ownedTables } from '../src/database/owned-tables.js'

type Names = keyof ReturnType<typeof ownedTables>

declare module 'fastify' {
  interface FastifyInstance {
    /** The quota (MAX_ROWS_PER_USER) of each table with owned rows. */
    rowQuotas: Readonly<Record<Names, RowQuota>>
  }
}

/** The row quota of accounts, the same at every endpoint of a table. */
export default plugin(
  async (app) => {
    const { database, config } = app
    const quotas = Object.entries(ownedTables(database.tables)).map(([name, table]) => [
      name,
      new RowQuota(database, table, config.MAX_ROWS_PER_USER),
    ])
    app.decorate('rowQuotas', Object.fromEntries(quotas) as Record<Names, RowQuota>)
  },
  { name: 'row-quotas', dependencies: ['database'] },
)
