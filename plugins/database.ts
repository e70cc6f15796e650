import plugin from 'fastify-plugin'
import type { Database } from '../src/database/database.js'
import { openDatabase } from '../src/database/open.js'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
  }
}

/** Opens the database, and closes it after the last request. */
export default plugin(
  async (app) => {
    const { DATABASE_URL, MIGRATE_ON_START, POOL_SIZE } = app.config
    const options = {
      migrate: MIGRATE_ON_START,
      poolSize: POOL_SIZE,
      lockMs: app.timeouts.lockMs,
      onNotice: (notice: string) => app.log.warn(notice),
    }
    app.decorate('database', await openDatabase(DATABASE_URL, options))
    app.addHook('onClose', () => app.database.close())
  },
  { name: 'database' },
)
