/**
 * `npm run distribute`: distributes the tables of a migrated database by user, on the workers of a Citus coordinator,
 * while the service goes on; it may be repeated at any time.
 */
import { distribute } from '../database/distribute.ts'
import { withDatabase } from './with-database.ts'

await withDatabase(({ migrate }) => migrate((db, quick) => distribute(db, quick, console.log)))
