/** All SQL that erases a user. */
import { type Kysely, sql } from 'kysely'
import { write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'

type Db = Kysely<Tables>

/** `limit`: how many rows at a time. While a part is left, the epoch is new already: clients must not miss what is gone. */
interface EraseValues {
  userId: string
  limit: number
  epoch: number
}

// Tasks before the counter, in the order of their ids, as in every write.
const erasingTasks = write(
  'user_erase_tasks',
  (_db, { userId, limit, epoch }: EraseValues) => sql<{ count: number }>`
    with stored as (
      select user_id, id from task where user_id = ${userId} order by id limit ${limit} for update
    ), gone as (
      delete from task as t using stored
      where t.user_id = stored.user_id and t.id = stored.id
      returning t.deleted_at
    ), clock as (
      update user_clock as c set
        epoch = ${epoch},
        live = c.live - (select count(*) from gone where deleted_at is null),
        tombstones = c.tombstones - (select count(*) from gone where deleted_at is not null)
      where user_id = ${userId} and exists (select from gone)
    )
    select count(*) as count from gone`,
)

/** Deletes up to `limit` tasks of a user, and gives the rest a new epoch; returns how many. */
export async function eraseTasks(db: Db, userId: string, limit: number, epoch: number): Promise<number> {
  const [erased] = await erasingTasks(db, { userId, limit, epoch })
  return erased?.count as number
}

// A statement of its own: a request with a key locks the key before its tasks.
const erasingKeys = write(
  'user_erase_keys',
  (_db, { userId, limit, epoch }: EraseValues) => sql<{ count: number }>`
    with chosen as (
      select user_id, key from idempotency_key where user_id = ${userId} order by key limit ${limit} for update
    ), gone as (
      delete from idempotency_key as k using chosen
      where k.user_id = chosen.user_id and k.key = chosen.key
      returning k.stored_bytes
    ), clock as (
      update user_clock as c set epoch = ${epoch}, key_bytes = c.key_bytes - (select sum(stored_bytes) from gone)
      where user_id = ${userId} and exists (select from gone)
    )
    select count(*) as count from gone`,
)

/** Deletes up to `limit` idempotency keys of a user, and gives the rest a new epoch; returns how many. */
export async function eraseKeys(db: Db, userId: string, limit: number, epoch: number): Promise<number> {
  const [erased] = await erasingKeys(db, { userId, limit, epoch })
  return erased?.count as number
}

const lockingClock = write(
  'user_lock_clock',
  (_db, { userId }: { userId: string }) => sql`select from user_clock where user_id = ${userId} for update`,
)

const removingClock = write(
  'user_remove_clock',
  (_db, { userId }: { userId: string }) => sql`
    delete from user_clock
    where user_id = ${userId}
      and not exists (select from task where user_id = ${userId})
      and not exists (select from idempotency_key where user_id = ${userId})`,
)

/**
 * Deletes the counter of a user who has nothing else, in a transaction: a write that has the counter's lock ends before the second
 * statement looks whether anything is left.
 */
export async function removeClock(transaction: Db, userId: string): Promise<void> {
  await lockingClock(transaction, { userId })
  await removingClock(transaction, { userId })
}
