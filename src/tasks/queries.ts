/**
 * All SQL that reads and writes single tasks. Lists are in list-queries.ts, writes of several tasks in bulk-queries.ts.
 *
 * Times are parameters, never now(), and every condition names user_id: distributed PostgreSQL requires both.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { usesCitus } from '../database/citus.ts'
import { takeRevisionForNew } from '../database/revisions.ts'
import { type Places, read, write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { columnsOf, type Task, typed, type WrittenColumn, writtenColumns } from './columns.ts'
import { type Key, type Target, touched, touchedOrCompleted, type Written, writeOne } from './write-one.ts'

// The statement does not mention deleted_at: PostgreSQL might choose a partial index, whose last column is the id, and
// scan all of the user's tasks. It has no subquery either, so that Citus can find the server without planning it.
const findAny = read.maybe<Key, Task>(
  'task_find',
  ({ userId, id }) => sql`select ${columnsOf('task')} from task where user_id = ${userId} and id = ${id}::uuid`,
)

/** The task with this id; undefined if there is none, or only a tombstone. */
export async function find(db: Kysely<Tables>, key: Key): Promise<Task | undefined> {
  const task = await findAny(db, key)
  return task?.deleted_at === null ? task : undefined
}

type NewTask = Key & Record<WrittenColumn, unknown> & { now: string; quota: number; epoch: number }

/** In the order of `newValues`. */
const newColumns = sql`user_id, id, ${sql.join(writtenColumns.map(column => sql.ref(column)))}, completed_at, created_at, updated_at, revision`

const newValues = (places: Places<NewTask>, revision: RawBuilder<unknown>) => {
  const { userId, id, now, completed } = places
  return sql`${userId}, ${id}::uuid, ${sql.join(writtenColumns.map(column => typed(column, places[column])))},
      case when ${completed} then ${now}::timestamptz end, ${now}::timestamptz, ${now}::timestamptz, ${revision}`
}

// If two requests create the same id concurrently, one gets a unique violation; its retry finds the task. `on conflict
// do nothing` would be wrong, because the counter would have counted a task that does not exist.
const insertAtOnce = write.maybe<NewTask, Task>('task_insert', places => {
  const { userId, id } = places
  return sql`
    with clock as (${takeRevisionForNew(places, sql`not exists (select from task where user_id = ${userId} and id = ${id}::uuid)`)}
    )
    insert into task as t (${newColumns})
    select ${newValues(places, sql`clock.revision`)}
    from clock
    returning ${columnsOf('t')}`
})

/** Counts a new task and takes its revision; undefined if `quota` is reached. */
export const count = write.maybe<NewTask, { revision: number }>('task_count', places => takeRevisionForNew(places))

/** Stores a task that was counted; undefined if its id is taken. */
export const insertCounted = write.maybe<NewTask & { revision: number }, Task>(
  'task_insert_counted',
  places => sql`
    insert into task as t (${newColumns})
    values (${newValues(places, sql`${places.revision}::bigint`)})
    on conflict (user_id, id) do nothing
    returning ${columnsOf('t')}`,
)

/** Gives the number and the revision of a task back, in the transaction that took them. */
export const uncount = write.none<Pick<Key, 'userId'>>(
  'task_uncount',
  ({ userId }) => sql`
    update user_clock set revision = revision - 1, live = live - 1 where user_id = ${userId}`,
)

/** In a transaction, which holds the lock of the counter: nobody sees a number that is given back. */
async function insertInSteps(db: Kysely<Tables>, values: NewTask): Promise<Task | undefined> {
  const counted = await count(db, values)
  if (counted === undefined) return undefined
  const task = await insertCounted(db, { ...values, ...counted })
  if (task === undefined) await uncount(db, values)
  return task
}

/**
 * Stores a new task. Writes nothing and returns undefined if the user has, or had, a task with this id, or has as many
 * live tasks as `quota` allows; `findTaken` tells these cases apart.
 */
// Citus cannot send an insert with another one inside to one server: it would collect the inner one's result first,
// which takes several times as long as a transaction.
export function insert(db: Kysely<Tables>, values: NewTask): Promise<Task | undefined> {
  if (!usesCitus(db)) return insertAtOnce(db, values)
  if (db.isTransaction) return insertInSteps(db, values)
  return db.transaction().execute(transaction => insertInSteps(transaction, values))
}

/** Whether the task with this id was deleted after `deletedSince`; undefined if the id is free. */
// The time is not in the condition, so that PostgreSQL uses the primary key and not an index of the trash.
export const findTaken = read.maybe<Key & { deletedSince: string }, { isInTrash: boolean }>(
  'task_find_taken',
  ({ userId, id, deletedSince }) => sql`
    select coalesce(deleted_at > ${deletedSince}::timestamptz, false) as "isInTrash" from task
    where user_id = ${userId} and id = ${id}::uuid`,
)

interface Update {
  /** The new values of columns, as a JSON object. */
  patch: string
  /** The dates that the patch was merged with, as a JSON object; it is not applied to others. Null if it needs none. */
  mergedWith: string | null
  now: string
}

/**
 * Writes the columns in `patch` if the condition holds; undefined if there is no such task. Nothing is written if no
 * value differs from what is stored.
 */
export const update = write.maybe<Target & Update, Written>('task_update', places =>
  writeOne(places, {
    condition: sql`(${places.mergedWith}::jsonb is null
        or jsonb_build_object('due', (task).due, 'start', (task).start) = ${places.mergedWith}::jsonb)`,
    next: sql`jsonb_populate_record(stored.task, ${places.patch}::jsonb)`,
    columns: writtenColumns,
    others: touchedOrCompleted(places.now),
  }),
)

/** Sets whether a task is completed, or toggles it if `completed` is null; otherwise like `update`. */
export const complete = write.maybe<Target & { completed: boolean | null; now: string }, Written>(
  'task_complete',
  places =>
    writeOne(places, {
      next: sql`(select coalesce(${places.completed}::boolean, not (stored.task).completed) as completed)`,
      columns: ['completed'],
      others: touchedOrCompleted(places.now),
    }),
)

interface TagWrite extends Target {
  tag: string
  now: string
}

/** Adds a tag to a task that has fewer than `most`; otherwise like `update`. */
export const addTag = write.maybe<TagWrite & { most: number }, Written>('task_add_tag', places => {
  const tags = sql`(stored.task).tags`
  return writeOne(places, {
    next: sql`(
        select array(
          select tag from unnest(${tags} || ${places.tag}::text) as tag group by tag order by tag collate "C"
        ) as tags
        where cardinality(${tags}) < ${places.most}::int
      )`,
    columns: ['tags'],
    others: touched(places.now),
  })
})

/** Removes a tag from a task; otherwise like `update`. */
export const removeTag = write.maybe<TagWrite, Written>('task_remove_tag', places =>
  writeOne(places, {
    next: sql`(select array_remove((stored.task).tags, ${places.tag}::text) as tags)`,
    columns: ['tags'],
    others: touched(places.now),
  }),
)

/** Turns a task into a tombstone if the condition holds; undefined if there is no such task. */
export const remove = write.maybe<Target & { now: string }, Written>('task_remove', places =>
  writeOne(places, {
    next: sql`(select ${places.now}::timestamptz as deleted_at)`,
    columns: ['deleted_at'],
    counters: { live: -1, tombstones: 1 },
  }),
)

/**
 * Restores a task that was deleted after `deletedSince`, if the condition holds, and returns it; undefined if there is
 * no such task. A live task is returned unchanged, and so is a deleted one if `quota` allows no more live tasks.
 */
export const restore = write.maybe<Target & { deletedSince: string; quota: number }, Written>('task_restore', places =>
  writeOne(places, {
    exists: sql`coalesce((task).deleted_at > ${places.deletedSince}::timestamptz, true)`,
    next: sql`(select null::timestamptz as deleted_at)`,
    columns: ['deleted_at'],
    counters: { live: 1, tombstones: -1, when: sql`c.live < ${places.quota}::bigint` },
  }),
)
