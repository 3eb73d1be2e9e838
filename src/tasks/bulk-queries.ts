/** All SQL that locks or deletes several tasks at once. A deleted task remains as a tombstone until it is purged. */
import { sql } from 'kysely'
import { joined, limitTo, lockedInOrder } from '../database/planning.ts'
import { adjustCounters, takeRevisions } from '../database/revisions.ts'
import { write } from '../database/statement.ts'

/** Locks the tasks with these ids until the transaction ends; ids without a task are ignored. */
export const lock = write.none<{ userId: string; ids: string[] }>(
  'task_lock',
  ({ userId, ids }) => sql`
    select from (${lockedInOrder('task', userId, sql`unnest(${ids}::uuid[])`)}) as t`,
)

export interface Removed {
  deleted: number
  /** Whether there may be more, including tasks that were selected but changed concurrently. */
  has_more: boolean
  /** The user's number of tombstones afterwards; 0 if nothing was deleted. */
  tombstones: number
}

/**
 * Turns up to `limit` tasks that are completed, or that are not, into tombstones. Each takes its own revision, because
 * a page of the change feed may end between two of them.
 */
// Select in index order; lock in id order so that concurrent calls cannot deadlock.
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
      where ${joined('t', 'stored', 'id', userId)}
      returning t.id
    )
    select count(*) as deleted, (select count(*) from chosen) = ${limit}::int as has_more,
      coalesce((select tombstones from clock), 0) as tombstones
    from removed`,
)

/** Purges a user's oldest tombstones beyond `quota`, at most `limit`. */
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
      where ${joined('t', 'stored', 'id', userId)}
      returning t.revision
    )${adjustCounters(userId, {
      tombstones: sql`c.tombstones - (select count(*) from gone)`,
      purged_revision: sql`greatest(c.purged_revision, (select max(revision) from gone))`,
    })}`
  },
)
