/**
 * `npm run epoch`: after a restore from a backup, so that every client starts anew (410) instead of missing changes in
 * silence, and so that no ETag names two states of a task.
 */
import { renewEpochs } from '../users/epoch.ts'
import { withDatabase } from './with-database.ts'

await withDatabase(({ kysely }) => renewEpochs(kysely, users => console.log(`${users} users have a new epoch`)))
