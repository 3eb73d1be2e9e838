/** For commands that work on the configured database. */
import { pino } from 'pino'
import { databaseConfig } from '../config/database.ts'
import { readConfig } from '../config/read.ts'
import type { Config } from '../config/variables.ts'
import { type Database, databaseFailure, openDatabase } from '../database/open.ts'

/**
 * Opens the database, says which it is, does `work` and closes it; whatever fails is told, in a sentence where an
 * operator can mend it, and ends with 1.
 */
export async function withDatabase(work: (database: Database, config: Config) => Promise<unknown>): Promise<void> {
  try {
    const config = readConfig()
    const database = await openDatabase(databaseConfig(config), pino({ level: config.LOG_LEVEL }))
    console.log(database.description)
    try {
      await work(database, config)
    } catch (error) {
      throw databaseFailure(error)
    } finally {
      await database.close()
    }
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}
