/** Erases users: everything that is stored for one, in parts that are bounded. */
import type { Kysely } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import type { Tables } from '../database/tables.ts'
import * as users from './queries.ts'

/** How many tasks, and how many keys, are deleted at a time: well within a statement's time. */
const MOST_ERASED = 5_000

/** Deletes one part; of a user who has nothing left the counter goes last. It may be repeated at any time. */
export async function erasePart(
  db: Kysely<Tables>,
  userId: string,
): Promise<{ tasks: number; keys: number; hasMore: boolean }> {
  const part = { userId, limit: MOST_ERASED, epoch: createEpoch() }
  const keys = (await users.eraseKeys(db, part)).count
  const tasks = (await users.eraseTasks(db, part)).count
  const hasMore = tasks === MOST_ERASED || keys === MOST_ERASED
  if (!hasMore) {
    await db.transaction().execute(async transaction => {
      await users.lockClock(transaction, { userId })
      await users.removeClock(transaction, { userId })
    })
  }
  return { tasks, keys, hasMore }
}
