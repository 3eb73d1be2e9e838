/** Erases everything stored for a user, in bounded parts. */
import type { Kysely } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import type { Tables } from '../database/tables.ts'
import * as users from './queries.ts'

/** Maximum number of tasks, and of keys, that are deleted at a time: well within a statement's timeout. */
const MAX_ERASED = 5_000

/** Deletes one part, and at the end the user's counter. It may be repeated at any time. */
export async function erasePart(
  db: Kysely<Tables>,
  userId: string,
): Promise<{ tasks: number; keys: number; hasMore: boolean }> {
  const part = { userId, limit: MAX_ERASED, epoch: createEpoch() }
  const keys = (await users.eraseKeys(db, part)).count
  const tasks = (await users.eraseTasks(db, part)).count
  const hasMore = tasks === MAX_ERASED || keys === MAX_ERASED
  if (!hasMore) {
    await db.transaction().execute(async transaction => {
      await users.lockCounter(transaction, { userId })
      await users.removeCounter(transaction, { userId })
    })
  }
  return { tasks, keys, hasMore }
}
