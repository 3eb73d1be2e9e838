/** All SQL of purging: the only statements that look at all users at once. */
import { sql } from 'kysely'
import { limitTo, lockedInOrder } from '../database/planning.ts'
import { adjustCounters } from '../database/revisions.ts'
import { read, write } from '../database/statement.ts'

/** A row to purge: its time, user and id or key. */
export interface Old {
  time: string
  user_id: string
  id: string
}

/** What was made before `before`, after the row that is given: up to `limit` rows, the oldest first. */
type Range = Old & { before: string; limit: number }

/** Before every row. */
export const START: Old = { time: '-infinity', user_id: '', id: '00000000-0000-0000-0000-000000000000' }

export const findTombstones = read.many<Range, Old>(
  'purge_find_tombstones',
  ({ before, limit, time, user_id, id }) => sql`
    select deleted_at as time, user_id, id from task
    where deleted_at < ${before}::timestamptz
      and (deleted_at, user_id, id) > (${time}::timestamptz, ${user_id}, ${id}::uuid)
    order by deleted_at, user_id, id
    ${limitTo(limit)}`,
)

export const findKeys = read.many<Range, Old>(
  'purge_find_keys',
  ({ before, limit, time, user_id, id }) => sql`
    select created_at as time, user_id, key as id from idempotency_key
    where created_at < ${before}::timestamptz
      and (created_at, user_id, key) > (${time}::timestamptz, ${user_id}, ${id})
    order by created_at, user_id, key
    ${limitTo(limit)}`,
)

interface Removal {
  userId: string
  /** Or keys. */
  ids: string[]
  before: string
}

/**
 * Deletes those of a user's tasks that were deleted before `before`; returns how many. In the same statement the
 * counter remembers up to which revision deletions are no longer known.
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
      where t.user_id = found.user_id and t.id = found.id
      returning t.revision
    ), clock as (${adjustCounters(userId, {
      tombstones: sql`c.tombstones - (select count(*) from gone)`,
      purged_revision: sql`greatest(c.purged_revision, (select max(revision) from gone))`,
    })}
    )
    select count(*) as count from gone`,
)

/** Deletes those of a user's idempotency keys that were taken before `before`; returns how many. */
// The time is looked at once more: a key that is taken again while this waits for its row is a new one.
export const removeKeys = write.one<Removal, { count: number }>(
  'purge_remove_keys',
  ({ userId, ids, before }) => sql`
    with found as (
      select user_id, key
      from (${lockedInOrder('idempotency_key', userId, sql`unnest(${ids}::text[])`, ['created_at'])}) as k
      where created_at < ${before}::timestamptz
    ), gone as (
      delete from idempotency_key as k using found
      where k.user_id = found.user_id and k.key = found.key
      returning k.stored_bytes
    ), clock as (${adjustCounters(userId, { key_bytes: sql`c.key_bytes - (select sum(stored_bytes) from gone)` })}
    )
    select count(*) as count from gone`,
)
