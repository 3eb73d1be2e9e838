/** Databases of Citus with the service's tables, distributed by user. */
import { pino } from 'pino'
import { migrateUp } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'
import { execute } from './database.ts'

/** Creates the tables in an empty database of a coordinator and distributes them over its workers. */
export async function prepareDistributed(databaseUrl: string): Promise<void> {
  const database = await openDatabase({ databaseUrl, dataDir: '', poolSize: 3 }, pino({ level: 'silent' }))
  await database.migrate(migrateUp).finally(() => database.close())
  await execute(
    databaseUrl,
    `select create_distributed_table('user_clock', 'user_id')`,
    `select create_distributed_table('task', 'user_id', colocate_with => 'user_clock')`,
    `select create_distributed_table('idempotency_key', 'user_id', colocate_with => 'user_clock')`,
  )
}
