/** Databases that a test opens by itself, without a service. */
import { silent } from '../../scripts/support/service.ts'
import { type Database, type DatabaseConfig, openDatabase } from '../../src/database/open.ts'

/** Opens a database; it is closed when it goes out of scope. */
export async function openDisposable(config: DatabaseConfig): Promise<Database & AsyncDisposable> {
  const database = await openDatabase(config, silent)
  return Object.assign(database, { [Symbol.asyncDispose]: () => database.close() })
}

/** Opens a database and brings its schema up to date. */
export async function openPrepared(config: DatabaseConfig): Promise<Database & AsyncDisposable> {
  const database = await openDisposable(config)
  await database.prepare(new AbortController().signal)
  return database
}
