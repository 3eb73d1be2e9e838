/** The SQL on deleting and restoring tasks. A deleted task stays as a tombstone until it is purged. */
import { type Kysely, sql } from 'kysely'
import { write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import type { Condition } from './condition.ts'
import { columnsOf, holds, lockedTask, type Target, type Task, type Written, written } from './queries.ts'

type Db = Kysely<Tables>

export interface Removal {
  /** The task's revision before. */
  revision: number
  held: boolean
  /** How many tombstones the user has now; 0 where nothing was deleted. */
  tombstones: number
}

const removing = write(
  'task_remove',
  (_db, { userId, id, only, except, now }: Target & { now: string }) => sql<Removal>`
    with stored as (
      select t.revision, ${holds({ only, except })} as held from ${lockedTask({ userId, id })}
    ), clock as (
      update user_clock as c set revision = c.revision + 1, live = c.live - 1, tombstones = c.tombstones + 1
      where user_id = ${userId} and exists (select from stored where held)
      returning revision, tombstones
    ), removed as (
      update task as t set deleted_at = ${now}::timestamptz, revision = clock.revision
      from clock
      where t.user_id = ${userId} and t.id = ${id}::uuid
    )
    select revision, held, coalesce((select tombstones from clock), 0) as tombstones from stored`,
)

/** Makes a tombstone of a task if the condition holds; undefined where there is none. */
export async function remove(
  db: Db,
  userId: string,
  id: string,
  condition: Condition,
  now: string,
): Promise<Removal | undefined> {
  return (await removing(db, { userId, id, ...condition, now }))[0]
}

export interface Removed {
  deleted: number
  /** Whether there may be others; also where those that were chosen have just been changed by somebody else. */
  has_more: boolean
  /** How many tombstones the user has now; 0 where nothing was deleted. */
  tombstones: number
}

// Select in index order; lock in id order so that concurrent calls cannot deadlock. The lateral join, and a user_id that comes from the
// locked rows, leave PostgreSQL nothing but to walk the ids: with the user's id as a constant and `id = any(…)` it may walk all of the
// user's tasks instead, and filter them.
const removingAll = write(
  'task_remove_all',
  (
    _db,
    { userId, completed, limit, now }: { userId: string; completed: boolean; limit: number; now: string },
  ) => sql<Removed>`
    with chosen as (
      select id from task
      where user_id = ${userId} and completed = ${completed} and deleted_at is null
      order by created_at desc, id desc
      limit ${limit}
    ), stored as (
      select t.user_id, t.id, row_number() over () as number
      from unnest(array(select id from chosen order by id)) as wanted (id)
      cross join lateral (
        select user_id, id, completed, deleted_at from task
        where user_id = ${userId} and id = wanted.id
        offset 0
        for update
      ) as t
      where t.completed = ${completed} and t.deleted_at is null
    ), clock as (
      update user_clock as c set
        revision = c.revision + (select count(*) from stored),
        live = c.live - (select count(*) from stored),
        tombstones = c.tombstones + (select count(*) from stored)
      where user_id = ${userId} and exists (select from stored)
      returning revision, tombstones
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

/**
 * Makes tombstones of up to `limit` tasks that are completed, or that are not. Each takes a revision of its own, for a change feed that
 * is cut between two of them must know which of them it has returned.
 */
export async function removeAll(
  db: Db,
  userId: string,
  completed: boolean,
  limit: number,
  now: string,
): Promise<Removed> {
  const [removed] = await removingAll(db, { userId, completed, limit, now })
  return removed as Removed
}

type RestoreValues = Target & { deletedSince: string; quota: number }

const restoring = write(
  'task_restore',
  (_db, { userId, id, only, except, deletedSince, quota }: RestoreValues) => sql<Task & { held: boolean }>`
    with stored as (
      select ${columnsOf('t')}, ${holds({ only, except })} as held from task as t
      where user_id = ${userId} and id = ${id}::uuid and (deleted_at is null or deleted_at > ${deletedSince}::timestamptz)
      for update
    ), clock as (
      update user_clock as c set revision = c.revision + 1, live = c.live + 1, tombstones = c.tombstones - 1
      where user_id = ${userId} and c.live < ${quota}::bigint and exists (
        select from stored where held and deleted_at is not null
      )
      returning revision
    ), restored as (
      update task as t set deleted_at = null, revision = clock.revision
      from clock
      where t.user_id = ${userId} and t.id = ${id}::uuid
      returning ${columnsOf('t')}, true as held
    )
    select * from restored
    union all
    select * from stored where not exists (select from restored)`,
)

/**
 * Restores a task that was deleted after `deletedSince`, if the condition holds, and returns it; a live one is returned as it is, and a
 * deleted one where the user has as many live tasks as `quota` allows. Undefined where there is none.
 */
export async function restore(
  db: Db,
  userId: string,
  id: string,
  condition: Condition,
  { deletedSince, quota }: { deletedSince: string; quota: number },
): Promise<Written | undefined> {
  return written(await restoring(db, { userId, id, ...condition, deletedSince, quota }))
}

const trimming = write(
  'task_trim_trash',
  (_db, { userId, quota, limit }: { userId: string; quota: number; limit: number }) => sql`
    with surplus as (
      select greatest(least(tombstones - ${quota}::bigint, ${limit}::bigint), 0) as count from user_clock where user_id = ${userId}
    ), chosen as (
      select id from task
      where user_id = ${userId} and deleted_at is not null
      order by deleted_at, id
      limit (select count from surplus)
    ), stored as (
      select t.user_id, t.id from unnest(array(select id from chosen order by id)) as wanted (id)
      cross join lateral (
        select user_id, id, deleted_at from task where user_id = ${userId} and id = wanted.id offset 0 for update
      ) as t
      where t.deleted_at is not null
    ), gone as (
      delete from task as t using stored
      where t.user_id = stored.user_id and t.id = stored.id
      returning t.revision
    )
    update user_clock as c set
      tombstones = c.tombstones - (select count(*) from gone),
      purged_revision = greatest(c.purged_revision, (select max(revision) from gone))
    where user_id = ${userId} and exists (select from gone)`,
)

/** Purges the oldest of a user's tombstones, as many as there are beyond `quota`; at most `limit` of them. */
export async function trim(db: Db, userId: string, quota: number, limit: number): Promise<void> {
  await trimming(db, { userId, quota, limit })
}
