/** `npm run purge`: purges all expired data now, which servers also do periodically. */
import { retention } from '../config/storage.ts'
import { describeError } from '../database/errors.ts'
import { type Purged, purge } from '../jobs/purge.ts'
import { withDatabase } from './with-database.ts'

const report = ({ tombstones, keys }: Purged) => console.log(`${tombstones} tombstones and ${keys} keys purged`)

await withDatabase(async ({ kysely }, config) => {
  const onFailure = (error: unknown) => console.error(`A user's rows were not purged: ${describeError(error)}.`)
  const purged = await purge(kysely, retention(config), { progress: report, onFailure })
  report(purged)
  if (purged.failed > 0) process.exitCode = 1
})
