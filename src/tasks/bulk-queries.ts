/** The SQL that locks or deletes several tasks at once. A deleted task stays as a tombstone until it is purged. */
import { sql } from 'kysely'
import { limitTo, lockedInOrder } from '../database/planning.ts'
import { adjustCounters, takeRevisions } from '../database/revisions.ts'
import { write } from '../database/statement.ts'

/** Locks those of these tasks that exist, until the transaction ends. */
export const lock = write.none<{ userId: string; ids: string[] }>(
  'task_lock',
  ({ userId, ids }) => sql`
    select from (${lockedInOrder('task', userId, sql`unnest(${ids}::uuid[])`)}) as t`,
)

export interface Removed {
  deleted: number
  /** Whether there may be others; also where those that were chosen have just been changed by somebody else. */
  has_more: boolean
  /** How many tombstones the user has now; 0 where nothing was deleted. */
  tombstones: number
}

/**
 * Makes tombstones of up to `limit` tasks that are completed, or that are not. Each takes a revision of its own, for a
 * change feed that is cut between two of them must know which of them it has returned.
 */
// Selected in index order, locked in id order.
export const removeAll = write.one<{ userId: string; completed: boolean; limit: number; now: string }, Removed>(
  'task_remove_all',
  ({ userId, completed, limit, now }) => sql`
    with chosen as (
      select id from task
      where user_id = ${userId} and completed = ${completed}::boolean and deleted_at is null
      order by created_at desc, id desc
      ${limitTo(limit)}
    ), stored as (
      select user_id, id, row_number() over () as number
      from (${lockedInOrder('task', userId, sql`(select id from chosen)`, ['completed', 'deleted_at'])}) as t
      where completed = ${completed}::boolean and deleted_at is null
    ), clock as (${takeRevisions(userId, { rows: sql`(select from stored)`, live: -1, tombstones: 1 })}
    ), removed as (
      update task as t set deleted_at = ${now}::timestamptz, revision = clock.revision + 1 - stored.number
      from clock, stored
      where t.user_id = stored.user_id and t.id = stored.id
      returning t.id
    )
    select count(*) as deleted, (select count(*) from chosen) = ${limit}::int as has_more,
      coalesce((select tombstones from clock), 0) as tombstones
    from removed`,
)

/** Purges the oldest of a user's tombstones, as many as there are beyond `quota`; at most `limit` of them. */
export const trim = write.none<{ userId: string; quota: number; limit: number }>(
  'task_trim_trash',
  ({ userId, quota, limit }) => {
    const oldest = (state: ReturnType<typeof sql>) => sql`
        (select id, deleted_at from task where user_id = ${userId} and ${state} and deleted_at is not null
        order by deleted_at, id limit (select count from surplus))`
    return sql`
    with surplus as (
      select greatest(least(tombstones - ${quota}::bigint, ${limit}::bigint), 0) as count
      from user_clock where user_id = ${userId}
    ), chosen as (
      select id from (${oldest(sql`not completed`)}
        union all ${oldest(sql`completed`)}) as oldest
      order by deleted_at, id
      limit (select count from surplus)
    ), stored as (
      select user_id, id
      from (${lockedInOrder('task', userId, sql`(select id from chosen)`, ['deleted_at'])}) as t
      where deleted_at is not null
    ), gone as (
      delete from task as t using stored
      where t.user_id = stored.user_id and t.id = stored.id
      returning t.revision
    )${adjustCounters(userId, {
      tombstones: sql`c.tombstones - (select count(*) from gone)`,
      purged_revision: sql`greatest(c.purged_revision, (select max(revision) from gone))`,
    })}`
  },
)
