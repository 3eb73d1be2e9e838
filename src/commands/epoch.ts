/**
 * `npm run epoch`: run it after a restore from a backup, so that every client starts over (410) instead of silently
 * missing changes, and so that no ETag identifies two states of a task.
 */
import { renewEpochs } from '../users/epoch.ts'
import { withDatabase } from './with-database.ts'

await withDatabase(({ kysely }) => renewEpochs(kysely, users => console.log(`${users} users have a new epoch`)))
