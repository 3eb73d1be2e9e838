/** All SQL of purging. It finds rows of all users; what it deletes at a time belongs to one. */
import { sql } from 'kysely'
import { joined, lockedInOrder } from '../database/planning.ts'
import { adjustCounters } from '../database/revisions.ts'
import { read, write } from '../database/statement.ts'

/** A row to purge: its time, its user and its id or key. */
export interface Expired {
  time: string
  user_id: string
  id: string
}

/** Up to `limit` rows from before `before` that come after the given row, the oldest first. */
type Range = Expired & { before: string; limit: number }

/** The position before every row. */
export const START: Expired = { time: '-infinity', user_id: '', id: '00000000-0000-0000-0000-000000000000' }

export const findTombstones = read.many<Range, Expired>(
  'purge_find_tombstones',
  ({ before, limit, time, user_id, id }) => sql`
    select deleted_at as time, user_id, id from task
    where deleted_at < ${before}::timestamptz
      and (deleted_at, user_id, id) > (${time}::timestamptz, ${user_id}, ${id}::uuid)
    order by deleted_at, user_id, id
    limit ${limit}`,
)

export const findKeys = read.many<Range, Expired>(
  'purge_find_keys',
  ({ before, limit, time, user_id, id }) => sql`
    select created_at as time, user_id, key as id from idempotency_key
    where created_at < ${before}::timestamptz
      and (created_at, user_id, key) > (${time}::timestamptz, ${user_id}, ${id})
    order by created_at, user_id, key
    limit ${limit}`,
)

interface Removal {
  userId: string
  /** Ids of tasks, or keys. */
  ids: string[]
  before: string
}

/**
 * Purges a user's tasks that were deleted before `before`; returns the number. The same statement records the newest
 * purged revision: older sync tokens may miss a deletion.
 */
export const removeTombstones = write.one<Removal, { count: number }>(
  'purge_remove_tombstones',
  ({ userId, ids, before }) => sql`
    with found as (
      select user_id, id
      from (${lockedInOrder('task', userId, sql`unnest(${ids}::uuid[])`, ['deleted_at'])}) as t
      where deleted_at < ${before}::timestamptz
    ), gone as (
      delete from task as t using found
      where ${joined('t', 'found', 'id', userId)}
      returning t.revision
    ), clock as (${adjustCounters(userId, {
      tombstones: sql`c.tombstones - (select count(*) from gone)`,
      purged_revision: sql`greatest(c.purged_revision, (select max(revision) from gone))`,
    })}
    )
    select count(*) as count from gone`,
)

/** Deletes a user's idempotency keys that were taken before `before`; returns the number. */
// The time is checked again after the lock: a key taken again during the wait for its row is a new one.
export const removeKeys = write.one<Removal, { count: number }>(
  'purge_remove_keys',
  ({ userId, ids, before }) => sql`
    with found as (
      select user_id, key
      from (${lockedInOrder('idempotency_key', userId, sql`unnest(${ids}::text[])`, ['created_at'])}) as k
      where created_at < ${before}::timestamptz
    ), gone as (
      delete from idempotency_key as k using found
      where ${joined('k', 'found', 'key', userId)}
      returning k.stored_bytes
    ), clock as (${adjustCounters(userId, { key_bytes: sql`c.key_bytes - (select sum(stored_bytes) from gone)` })}
    )
    select count(*) as count from gone`,
)
