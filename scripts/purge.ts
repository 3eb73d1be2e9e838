/** `npm run purge`: deletes for good what is too old, now and to the end; what servers do by themselves, a little at a time. */
import { pino } from 'pino'
import { databaseConfig, readConfig, retention } from '../src/config.ts'
import { databaseFailure, openDatabase } from '../src/database/open.ts'
import { type Purged, purge } from '../src/purge/purge.ts'
import { heedSignals } from './interrupt.ts'

const report = ({ tombstones, keys }: Purged) => console.log(`${tombstones} tombstones and ${keys} keys purged`)

const interrupted = heedSignals()
try {
  const config = readConfig()
  const database = await openDatabase(databaseConfig(config), pino({ level: config.LOG_LEVEL }))
  console.log(database.description)
  try {
    report(await purge(database.kysely, retention(config), interrupted, report))
  } catch (error) {
    throw databaseFailure(error)
  } finally {
    await database.close()
  }
} catch (error) {
  console.error(error)
  process.exit(1)
}
