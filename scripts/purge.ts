/** `npm run purge`: deletes for good what is too old, now and to the end; what servers do by themselves, a little at a time. */
import { pino } from 'pino'
import { databaseConfig, readConfig, retention } from '../src/config.ts'
import { databaseFailure, openDatabase } from '../src/database/open.ts'
import { type Purged, purge } from '../src/purge/purge.ts'

const report = ({ tombstones, keys }: Purged) => console.log(`${tombstones} tombstones and ${keys} keys purged`)

try {
  const config = readConfig()
  const database = await openDatabase(databaseConfig(config), pino({ level: config.LOG_LEVEL }))
  console.log(database.description)
  try {
    report(await purge(database.kysely, retention(config), { progress: report }))
  } catch (error) {
    throw databaseFailure(error)
  } finally {
    await database.close()
  }
} catch (error) {
  console.error(error)
  process.exit(1)
}
