export default { dialect: 'sqlite', schema: './drizzle/schema.sqlite.ts', out: './drizzle/sqlite' }
