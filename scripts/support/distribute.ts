/** Databases of Citus with the service's tables, distributed by user. */
import type { Kysely } from 'kysely'
import { pino } from 'pino'
import { distribute } from '../../src/database/distribute.ts'
import { migrateUp } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { hasCitus, startCitusCluster } from './cluster.ts'
import { createDatabase } from './database.ts'

/** Printed in place of a run. */
export const NO_CITUS = 'Skipped: the installed PostgreSQL has no Citus, and TEST_CITUS_URL names no coordinator.'

/**
 * Creates a database with distributed tables on the coordinator of TEST_CITUS_URL or, without it, of a new cluster; it
 * is gone when `stack` is disposed of. Returns its connection string; undefined if Citus is not installed.
 */
export async function createDistributed(stack: AsyncDisposableStack): Promise<string | undefined> {
  if (!process.env.TEST_CITUS_URL && !hasCitus()) return undefined
  const coordinator = process.env.TEST_CITUS_URL || stack.use(await startCitusCluster()).url
  const { url } = stack.use(await createDatabase(coordinator))
  await prepareDistributed(url)
  return url
}

/** Creates the tables in an empty database of a coordinator and distributes them over its workers. */
export async function prepareDistributed(databaseUrl: string): Promise<void> {
  const database = await openDatabase({ databaseUrl, dataDir: '', poolSize: 3 }, pino({ level: 'silent' }))
  const prepare = async (db: Kysely<Tables>, quick: Kysely<Tables>) => {
    await migrateUp(db, quick)
    await distribute(db, quick, () => undefined)
  }
  await database.migrate(prepare).finally(() => database.close())
}
