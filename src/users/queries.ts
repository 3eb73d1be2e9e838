/** All SQL on users as a whole: erasing one, and the epochs of all. */
import { sql } from 'kysely'
import { limitTo, lockedInOrder } from '../database/planning.ts'
import { adjustCounters } from '../database/revisions.ts'
import { write } from '../database/statement.ts'

interface User {
  userId: string
}

/**
 * `limit`: how many rows at a time. While a part is left, the epoch is new already: clients must not miss what is gone.
 */
interface Part extends User {
  limit: number
  epoch: number
}

/** Deletes up to `limit` tasks of a user, and gives the rest a new epoch; returns how many. */
// Tasks before the counter, in the order of their ids, as in every write.
export const eraseTasks = write.one<Part, { count: number }>(
  'user_erase_tasks',
  ({ userId, limit, epoch }) => sql`
    with chosen as (
      select id from task where user_id = ${userId} order by id ${limitTo(limit)}
    ), stored as (${lockedInOrder('task', userId, sql`(select id from chosen)`)}
    ), gone as (
      delete from task as t using stored
      where t.user_id = stored.user_id and t.id = stored.id
      returning t.deleted_at
    ), clock as (${adjustCounters(userId, {
      epoch: sql`${epoch}::bigint`,
      live: sql`c.live - (select count(*) from gone where deleted_at is null)`,
      tombstones: sql`c.tombstones - (select count(*) from gone where deleted_at is not null)`,
    })}
    )
    select count(*) as count from gone`,
)

/** Deletes up to `limit` idempotency keys of a user, and gives the rest a new epoch; returns how many. */
// A statement of its own: a request with a key locks the key before its tasks.
export const eraseKeys = write.one<Part, { count: number }>(
  'user_erase_keys',
  ({ userId, limit, epoch }) => sql`
    with chosen as (
      select key from idempotency_key where user_id = ${userId} order by key ${limitTo(limit)}
    ), stored as (${lockedInOrder('idempotency_key', userId, sql`(select key from chosen)`)}
    ), gone as (
      delete from idempotency_key as k using stored
      where k.user_id = stored.user_id and k.key = stored.key
      returning k.stored_bytes
    ), clock as (${adjustCounters(userId, {
      epoch: sql`${epoch}::bigint`,
      key_bytes: sql`c.key_bytes - (select sum(stored_bytes) from gone)`,
    })}
    )
    select count(*) as count from gone`,
)

/** Locks a user's counter: a write that has it ends before the transaction's next statement. */
export const lockClock = write.none<User>(
  'user_lock_clock',
  ({ userId }) => sql`select from user_clock where user_id = ${userId} for update`,
)

/** Deletes the counter of a user who has nothing else. */
// Not `exists`: where the user has most rows, it may look for one among those of others.
export const removeClock = write.none<User>(
  'user_remove_clock',
  ({ userId }) => sql`
    delete from user_clock
    where user_id = ${userId}
      and (select id from task where user_id = ${userId} order by id limit 1) is null
      and (select key from idempotency_key where user_id = ${userId} order by key limit 1) is null`,
)

/** Up to `limit` users after the one that is given. */
interface Chunk {
  after: string
  limit: number
  epoch: number
  /** How far their revisions are moved on. */
  revisions: number
}

/** Gives a chunk of users a new epoch; returns how many there were, and the last of them. */
export const renewEpoch = write.one<Chunk, { count: number; last: string }>(
  'user_renew_epoch',
  ({ after, limit, epoch, revisions }) => sql`
    with chosen as (
      select user_id from user_clock where user_id > ${after} order by user_id ${limitTo(limit)}
    ), renewed as (
      update user_clock as c set epoch = ${epoch}::bigint, revision = c.revision + ${revisions}::bigint
      where c.user_id = any(array(select user_id from chosen))
      returning c.user_id
    )
    select (select count(*) from chosen) as count, (select max(user_id) from chosen) as last
    from (select count(*) from renewed) as r`,
)
