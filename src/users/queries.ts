/** All SQL on users as a whole: erasing a user, and renewing the epochs of all users. */
import { sql } from 'kysely'
import { joined, limitTo, lockedInOrder } from '../database/planning.ts'
import { adjustCounters } from '../database/revisions.ts'
import { write } from '../database/statement.ts'

interface User {
  userId: string
}

interface Part extends User {
  /** Maximum number of rows. */
  limit: number
  /** The new epoch, set with the first part, so that clients do not miss the deletions. */
  epoch: number
}

/** Deletes up to `limit` tasks of a user and sets a new epoch; returns the number of tasks. */
// As in every write, the tasks are locked in id order, before the counter.
export const eraseTasks = write.one<Part, { count: number }>(
  'user_erase_tasks',
  ({ userId, limit, epoch }) => sql`
    with chosen as (
      select id from task where user_id = ${userId} order by id ${limitTo(limit)}
    ), stored as (${lockedInOrder('task', userId, sql`(select id from chosen)`)}
    ), gone as (
      delete from task as t using stored
      where ${joined('t', 'stored', 'id', userId)}
      returning t.deleted_at
    ), clock as (${adjustCounters(userId, {
      epoch: sql`${epoch}::bigint`,
      live: sql`c.live - (select count(*) from gone where deleted_at is null)`,
      tombstones: sql`c.tombstones - (select count(*) from gone where deleted_at is not null)`,
    })}
    )
    select count(*) as count from gone`,
)

/** Deletes up to `limit` idempotency keys of a user and sets a new epoch; returns the number of keys. */
// A separate statement, because a request with a key locks the key before its tasks.
export const eraseKeys = write.one<Part, { count: number }>(
  'user_erase_keys',
  ({ userId, limit, epoch }) => sql`
    with chosen as (
      select key from idempotency_key where user_id = ${userId} order by key ${limitTo(limit)}
    ), stored as (${lockedInOrder('idempotency_key', userId, sql`(select key from chosen)`)}
    ), gone as (
      delete from idempotency_key as k using stored
      where ${joined('k', 'stored', 'key', userId)}
      returning k.stored_bytes
    ), clock as (${adjustCounters(userId, {
      epoch: sql`${epoch}::bigint`,
      key_bytes: sql`c.key_bytes - (select sum(stored_bytes) from gone)`,
    })}
    )
    select count(*) as count from gone`,
)

/** Locks a user's counter, so that the transaction's next statement sees every write that held it before. */
export const lockCounter = write.none<User>(
  'user_lock_clock',
  ({ userId }) => sql`select from user_clock where user_id = ${userId} for update`,
)

/** Deletes the counter of a user who has no other rows. */
// Not `exists`, which may scan the table if its statistics say that most rows are this user's.
export const removeCounter = write.none<User>(
  'user_remove_clock',
  ({ userId }) => sql`
    delete from user_clock
    where user_id = ${userId}
      and (select id from task where user_id = ${userId} order by id limit 1) is null
      and (select key from idempotency_key where user_id = ${userId} order by key limit 1) is null`,
)

/** Up to `limit` users after the given one. */
interface Chunk {
  after: string
  limit: number
  epoch: number
  /** How far their revisions are moved forward. */
  revisions: number
}

/** Gives a chunk of users a new epoch; returns the number of users and the last one. */
export const renewEpoch = write.one<Chunk, { count: number; last: string }>(
  'user_renew_epoch',
  ({ after, limit, epoch, revisions }) => sql`
    with chosen as (
      select user_id from user_clock where user_id > ${after} order by user_id limit ${limit}
    ), renewed as (
      update user_clock as c set epoch = ${epoch}::bigint, revision = c.revision + ${revisions}::bigint
      where c.user_id = any(array(select user_id from chosen))
      returning c.user_id
    )
    select (select count(*) from chosen) as count, (select max(user_id) from chosen) as last
    from (select count(*) from renewed) as r`,
)
