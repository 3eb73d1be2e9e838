/** The variables of the database. */
import type { DatabaseConfig } from '../database/open.ts'
import { integer, oneOf, optional, postgresUrl, text } from './parse.ts'
import { type Values, type Variables, variable } from './variable.ts'

export const databaseVariables = {
  DATABASE_URL: variable(
    '',
    optional(postgresUrl),
    'PostgreSQL 15 or newer, as postgresql://user:password@host:5432/database. ' +
      'If not set, the embedded PGlite is used.',
    'secret',
  ),
  MIGRATION_DATABASE_URL: variable(
    '',
    optional(postgresUrl),
    'The same database with a separate role that runs migrations. ' +
      'The role in DATABASE_URL then only needs to read and write rows.',
    'secret',
  ),
  DATABASE_POOL_SIZE: variable(
    '10',
    integer(3, 1000),
    'Maximum number of PostgreSQL connections per process. One fifth (at most 2) is shared by reads ' +
      'and two fifths (at most 8) by single-statement writes; the rest serve transactions.',
  ),
  DATABASE_PREPARED: variable(
    'on',
    oneOf('on', 'off'),
    'Whether statements are prepared on each connection. Set it to `off` behind a pooler in transaction mode, ' +
      'such as PgBouncer, and set the time limits on the role instead (docs/operations.md).',
  ),
  DATA_DIR: variable('./data', text, 'Folder of the embedded PGlite. Only one process at a time can use it.'),
} satisfies Variables

export const databaseConfig = (values: Values<typeof databaseVariables>): DatabaseConfig => ({
  databaseUrl: values.DATABASE_URL,
  migrationUrl: values.MIGRATION_DATABASE_URL,
  dataDir: values.DATA_DIR,
  poolSize: values.DATABASE_POOL_SIZE,
  isPrepared: values.DATABASE_PREPARED === 'on',
})
