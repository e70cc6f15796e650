/** The names of Latchkey in results: every other contestant is compared with it. */
export const OURS = 'Latchkey, silent'
export const OURS_ON_POSTGRES = 'Latchkey, PostgreSQL'
