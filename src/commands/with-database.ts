/** Opens and closes the configured database for a command. */
import { pino } from 'pino'
import { databaseConfig } from '../config/database.ts'
import { readConfig } from '../config/read.ts'
import type { Config } from '../config/variables.ts'
import { type Database, databaseFailure, openDatabase } from '../database/open.ts'
import { StartError } from '../process/start-error.ts'

/**
 * Opens the database, prints its description, runs `work` and closes it. An error is printed, as a sentence if an
 * operator can fix it, and the process exits with 1.
 */
export async function withDatabase(work: (database: Database, config: Config) => Promise<unknown>): Promise<void> {
  try {
    const config = readConfig()
    const database = await openDatabase(databaseConfig(config), pino({ level: config.LOG_LEVEL }))
    console.log(database.description)
    try {
      await work(database, config)
    } catch (error) {
      throw error instanceof StartError ? error : databaseFailure(error)
    } finally {
      await database.close()
    }
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}
