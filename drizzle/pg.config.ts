export default { dialect: 'postgresql', schema: './drizzle/schema.pg.ts', out: './drizzle/pg' }
