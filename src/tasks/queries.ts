/**
 * The SQL on single tasks: one function a statement. Lists are in list-queries.ts, deleting and restoring in trash-queries.ts.
 *
 * Every write takes the next number of its user's clock in the same statement, under the lock of the clock's row, which
 * is held until commit: revisions increase and become visible in order; a number may be skipped, but is never filled in later. A write locks its task before the clock.
 * Times come as parameters, never from now(), and every condition names user_id: distributed PostgreSQL asks for both.
 */
import { type Kysely, sql } from 'kysely'
import type { components } from '../contract/openapi.gen.ts'
import { createEpoch } from '../database/epoch.ts'
import { perShape, read, write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import type { Condition } from './condition.ts'

export type Task = components['schemas']['Task']

export const columns = [
  'id',
  'user_id',
  'title',
  'description',
  'completed',
  'completed_at',
  'created_at',
  'updated_at',
  'deleted_at',
  'revision',
] as const satisfies (keyof Task)[]

type Db = Kysely<Tables>

export const allColumns = sql.join(columns.map(column => sql.ref(column)))
export const columnsOf = (table: string) => sql.join(columns.map(column => sql.ref(`${table}.${column}`)))

// A lookup by id never states the predicate of a partial index: PostgreSQL might take that index, whose last column is the id, and walk
// all of the user's tasks along it.
const finding = read('task_find', (db, { userId, id }: { userId: string; id: string }) =>
  db.selectFrom('task').select(columns).where('user_id', '=', userId).where('id', '=', id),
)

/** The task, or undefined where there is none or it is deleted. */
export async function find(db: Db, userId: string, id: string): Promise<Task | undefined> {
  const [task] = await finding(db, { userId, id })
  return task?.deleted_at === null ? task : undefined
}

/** The live task `t`, locked. The filter is outside of what looks it up, and \`offset 0\` keeps it there. */
export const lockedTask = ({ userId, id }: { userId: string; id: string }) =>
  sql`(select * from task where user_id = ${userId} and id = ${id}::uuid offset 0 for update) as t where t.deleted_at is null`

type NewTask = Pick<Task, 'id' | 'title' | 'description' | 'completed'>

// The same id created twice at the same moment is a unique violation, which is retried and then finds the task. To do nothing on the
// conflict would be wrong: the counter would have counted a task that is not there.
const inserting = write(
  'task_insert',
  (
    _db,
    { userId, id, title, description, completed, completedAt, now, quota, epoch }: NewTask & InsertValues,
  ) => sql<Task>`
    with clock as (
      insert into user_clock as c (user_id, revision, live, epoch)
      select ${userId}::text, 1, 1, ${epoch}::bigint
      where not exists (select from task where user_id = ${userId} and id = ${id}::uuid)
      on conflict (user_id) do update set revision = c.revision + 1, live = c.live + 1 where c.live < ${quota}::bigint
      returning revision
    )
    insert into task as t (${allColumns})
    select ${id}::uuid, ${userId}, ${title}, ${description}, ${completed}::boolean,
      ${completedAt}::timestamptz, ${now}::timestamptz, ${now}::timestamptz, null, clock.revision
    from clock
    returning ${columnsOf('t')}`,
)

interface InsertValues {
  userId: string
  completedAt: string | null
  now: string
  quota: number
  epoch: number
}

/**
 * Stores a new task; undefined where the user has, or had, one with this id, or has as many live tasks as `quota` allows.
 * Nothing is written then; `findTaken` says which it is.
 */
export async function insert(
  db: Db,
  userId: string,
  task: NewTask,
  quota: number,
  now: string,
): Promise<Task | undefined> {
  const completedAt = task.completed ? now : null
  return (await inserting(db, { userId, ...task, completedAt, now, quota, epoch: createEpoch() }))[0]
}

// By the primary key, whatever the size of the trash: in a condition the time could lead to an index of the trash.
const findingTaken = read(
  'task_find_taken',
  (_db, { userId, id, deletedSince }: { userId: string; id: string; deletedSince: string }) => sql<{
    isInTrash: boolean
  }>`
    select coalesce(deleted_at > ${deletedSince}::timestamptz, false) as "isInTrash" from task
    where user_id = ${userId} and id = ${id}::uuid`,
)

/** Whether the task that has this id was deleted after `deletedSince`; undefined where the id is free. */
export async function findTaken(
  db: Db,
  userId: string,
  id: string,
  deletedSince: string,
): Promise<{ isInTrash: boolean } | undefined> {
  return (await findingTaken(db, { userId, id, deletedSince }))[0]
}

/** New values for some of a task's fields; `toggle` inverts what is stored. */
export interface Changes {
  title?: string | undefined
  description?: string | null | undefined
  completed?: boolean | 'toggle' | undefined
}

/** The task after a write; as it was, where the write's condition did not hold. */
export interface Written {
  task: Task
  held: boolean
}

/** The condition on the row `t`. Checked on a row that is locked, or else two writers could both find that it holds. */
export const holds = ({ only, except }: Condition) =>
  sql<boolean>`((${only}::bigint[] is null or t.revision = any(${only}::bigint[])) and t.revision <> all(${except}::bigint[]))`

/** Whose task, and at which revision. */
export type Target = Condition & { userId: string; id: string }

const updating = perShape((setsTitle: boolean, setsDescription: boolean, completion: 'keep' | 'toggle' | 'set') => {
  const name = `task_update${setsTitle ? ' title' : ''}${setsDescription ? ' description' : ''} ${completion}`
  return write(name, (_db, values: Target & Changes & { now: string }) => {
    const { userId, id, only, except, now } = values
    const title = setsTitle ? sql`${values.title}::text` : sql`t.title`
    const description = setsDescription ? sql`${values.description}::text` : sql`t.description`
    const set = sql`${values.completed}::boolean`
    const completed = { keep: sql`t.completed`, toggle: sql`not t.completed`, set }[completion]
    return sql<Task & { held: boolean }>`
    with stored as (
      select ${columnsOf('t')}, ${holds({ only, except })} as held from ${lockedTask({ userId, id })}
    ), clock as (
      update user_clock as c set revision = c.revision + 1
      where user_id = ${userId} and exists (
        select from stored as t
        where t.held and (t.title, t.description, t.completed) is distinct from (${title}, ${description}, ${completed})
      )
      returning revision
    ), changed as (
      update task as t set
        title = ${title},
        description = ${description},
        completed = ${completed},
        completed_at = case when ${completed} then coalesce(t.completed_at, greatest(t.updated_at, ${now}::timestamptz)) end,
        -- Replicas' clocks differ; a task's own times never run backwards.
        updated_at = greatest(t.updated_at, ${now}::timestamptz),
        revision = clock.revision
      from clock
      where t.user_id = ${userId} and t.id = ${id}::uuid
      returning ${columnsOf('t')}, true as held
    )
    select * from changed
    union all
    select * from stored where not exists (select from changed)`
  })
})

/**
 * Changes a task if the condition holds and returns it; undefined where there is none. Changes that equal what is stored
 * write nothing: the task is locked and read first, and the clock moves only if the locked task would become another one.
 */
export async function update(
  db: Db,
  userId: string,
  id: string,
  { title, description, completed }: Changes,
  condition: Condition,
  now: string,
): Promise<Written | undefined> {
  const completion = completed === undefined ? 'keep' : completed === 'toggle' ? 'toggle' : 'set'
  const run = updating(title !== undefined, description !== undefined, completion)
  return written(await run(db, { userId, id, title, description, completed, ...condition, now }))
}

/** The row of a statement that returns the task as it is after it, and whether the condition held. */
export function written(rows: (Task & { held: boolean })[]): Written | undefined {
  if (rows[0] === undefined) return undefined
  const { held, ...task } = rows[0]
  return { task, held }
}

// Walks the ids. With `id = any(…) order by id` PostgreSQL may walk all of the user's tasks instead, in their order, and filter them.
const locking = write(
  'task_lock',
  (_db, { userId, ids }: { userId: string; ids: string[] }) => sql`
    select t.id from unnest(${ids}::uuid[]) as wanted (id)
    cross join lateral (
      select id from task where user_id = ${userId} and id = wanted.id offset 0 for update
    ) as t`,
)

/**
 * Locks those of these tasks that there are until the transaction ends, in the order of their ids: whoever locks several tasks of a
 * user does so in this order, and nobody waits in a circle.
 */
export async function lock(db: Db, userId: string, ids: string[]): Promise<void> {
  const inOrder = [...new Set(ids.map(id => id.toLowerCase()))].sort()
  await locking(db, { userId, ids: inOrder })
}
