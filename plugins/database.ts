import plugin from 'fastify-plugin'
import { type Database, openDatabase } from '../src/database.js'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
  }
}

/** Opens the database, and closes it after the last request. */
export default plugin(
  async (app) => {
    const { DATABASE_URL, MIGRATE_ON_START } = app.config
    app.decorate('database', await openDatabase(DATABASE_URL, { migrate: MIGRATE_ON_START }))
    app.addHook('onClose', () => app.database.close())
  },
  { name: 'database' },
)
