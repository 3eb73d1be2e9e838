/**
 * All SQL on tasks: one function a statement.
 *
 * Every write takes the next number of its user's clock in the same statement, under the lock of the clock's row, which
 * is held until commit: numbers become visible in order and without gaps. A write locks its task before the clock.
 * Times come as parameters, never from now(), and every condition names user_id: distributed PostgreSQL asks for both.
 */
import { type Kysely, sql } from 'kysely'
import type { components, operations } from '../contract/openapi.gen.ts'
import { perShape, read, write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import type { Condition } from './condition.ts'
import type { Position } from './cursor.ts'

export type Task = components['schemas']['Task']
export type Sort = NonNullable<NonNullable<operations['listTasks']['parameters']['query']>['sort']>

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

const allColumns = sql.join(columns.map(column => sql.ref(column)))
const columnsOf = (table: string) => sql.join(columns.map(column => sql.ref(`${table}.${column}`)))

const finding = read('task_find', (db, { userId, id }: { userId: string; id: string }) =>
  db
    .selectFrom('task')
    .select(columns)
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null),
)

/** The task, or undefined where there is none or it is deleted. */
export async function find(db: Db, userId: string, id: string): Promise<Task | undefined> {
  return (await finding(db, { userId, id }))[0]
}

export interface Page {
  sort: Sort
  limit: number
  completed?: boolean | undefined
  after?: Position | undefined
  /** Not the live tasks, but those that were deleted since then. */
  deletedSince?: string | undefined
}

type ListValues = Omit<Page, 'sort' | 'after'> & { userId: string } & Partial<Position>

const listing = perShape((sort: Sort, isFiltered: boolean, isTrash: boolean, isContinued: boolean) => {
  const name = `task_list ${sort}${isFiltered ? ' filtered' : ''}${isTrash ? ' trash' : ''}${isContinued ? ' continued' : ''}`
  const descending = sort.startsWith('-')
  const column = sort.replace('-', '') as 'created_at' | 'updated_at' | 'title'
  const direction = descending ? 'desc' : 'asc'
  return read(name, (db, { userId, limit, completed, key, id, deletedSince }: ListValues) =>
    db
      .selectFrom('task')
      .select(columns)
      .where('user_id', '=', userId)
      .$if(!isTrash, query => query.where('deleted_at', 'is', null))
      .$if(isTrash, query => query.where('deleted_at', '>', deletedSince as string))
      .$if(isFiltered, query => query.where('completed', '=', completed as boolean))
      // A row comparison, which PostgreSQL turns into the start of an index range.
      .$if(isContinued, query =>
        query.where(sql<boolean>`(${sql.ref(column)}, id) ${descending ? sql`<` : sql`>`} (${key}, ${id}::uuid)`),
      )
      .orderBy(column, direction)
      .orderBy('id', direction)
      .limit(limit),
  )
})

/** Up to `limit` tasks after `after`, in the order of `sort`; equal keys by id, in the same direction. */
export async function list(db: Db, userId: string, { sort, after, ...page }: Page): Promise<Task[]> {
  const run = listing(sort, page.completed !== undefined, page.deletedSince !== undefined, after !== undefined)
  return run(db, { userId, ...page, ...after })
}

type NewTask = Pick<Task, 'id' | 'title' | 'description' | 'completed'>

// Of two that create the same task at the same moment the second finds out in the end only, and its number is of no task.
const inserting = write(
  'task_insert',
  (_db, { userId, id, title, description, completed, completedAt, now }: NewTask & InsertValues) => sql<Task>`
    with clock as (
      insert into user_clock as c (user_id, revision)
      select ${userId}::text, 1
      where not exists (select from task where user_id = ${userId} and id = ${id}::uuid)
      on conflict (user_id) do update set revision = c.revision + 1
      returning revision
    )
    insert into task as t (${allColumns})
    select ${id}::uuid, ${userId}, ${title}, ${description}, ${completed}::boolean,
      ${completedAt}::timestamptz, ${now}::timestamptz, ${now}::timestamptz, null, clock.revision
    from clock
    on conflict (user_id, id) do nothing
    returning ${columnsOf('t')}`,
)

interface InsertValues {
  userId: string
  completedAt: string | null
  now: string
}

/** Stores a new task; undefined where the user has, or had, one with this id, and nothing is written then. */
export async function insert(db: Db, userId: string, task: NewTask, now: string): Promise<Task | undefined> {
  const completedAt = task.completed ? now : null
  return (await inserting(db, { userId, ...task, completedAt, now }))[0]
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
const holds = ({ only, except }: Condition) =>
  sql<boolean>`((${only}::bigint[] is null or t.revision = any(${only}::bigint[])) and t.revision <> all(${except}::bigint[]))`

/** Whose task, and at which revision. */
type Target = Condition & { userId: string; id: string }

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
      select ${columnsOf('t')}, ${holds({ only, except })} as held from task as t
      where user_id = ${userId} and id = ${id}::uuid and deleted_at is null
      for update
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
      where t.user_id = ${userId} and t.id = ${id}::uuid and t.deleted_at is null
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

function written(rows: (Task & { held: boolean })[]): Written | undefined {
  if (rows[0] === undefined) return undefined
  const { held, ...task } = rows[0]
  return { task, held }
}

const removing = write(
  'task_remove',
  (_db, { userId, id, only, except, now }: Target & { now: string }) => sql<{ revision: number; held: boolean }>`
    with stored as (
      select t.revision, ${holds({ only, except })} as held from task as t
      where user_id = ${userId} and id = ${id}::uuid and deleted_at is null
      for update
    ), clock as (
      update user_clock as c set revision = c.revision + 1
      where user_id = ${userId} and exists (select from stored where held)
      returning revision
    ), removed as (
      update task as t set deleted_at = ${now}::timestamptz, revision = clock.revision
      from clock
      where t.user_id = ${userId} and t.id = ${id}::uuid and t.deleted_at is null
    )
    select revision, held from stored`,
)

/** Makes a tombstone of a task if the condition holds; returns the revision that it had, undefined where there is none. */
export async function remove(
  db: Db,
  userId: string,
  id: string,
  condition: Condition,
  now: string,
): Promise<{ revision: number; held: boolean } | undefined> {
  return (await removing(db, { userId, id, ...condition, now }))[0]
}

export interface Removed {
  deleted: number
  /** Whether there may be others; also where those that were chosen have just been changed by somebody else. */
  has_more: boolean
}

// Chosen in the order of an index, locked in the order of ids. Arrays and no join, which goes over all of a user's tasks for each of these where PostgreSQL does not know yet how many there are.
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
      select id from task
      where user_id = ${userId} and id = any(array(select id from chosen)) and completed = ${completed} and deleted_at is null
      order by id
      for update
    ), clock as (
      update user_clock as c set revision = c.revision + (select count(*) from stored)
      where user_id = ${userId} and exists (select from stored)
      returning revision
    ), removed as (
      update task as t set
        deleted_at = ${now}::timestamptz,
        revision = clock.revision + 1 - array_position(array(select id from stored), t.id)
      from clock
      where t.user_id = ${userId} and t.id = any(array(select id from stored))
      returning t.id
    )
    select count(*) as deleted, (select count(*) from chosen) = ${limit}::int as has_more from removed`,
)

/**
 * Makes tombstones of up to `limit` tasks that are completed, or that are not. Each takes a number of its
 * own, for a change feed that is cut between two of them must know which of them it has told. Whoever locks several tasks
 * of a user locks them in the order of their ids: then nobody waits in a circle.
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

const restoring = write(
  'task_restore',
  (_db, { userId, id, only, except, deletedSince }: Target & { deletedSince: string }) => sql<Task & { held: boolean }>`
    with stored as (
      select ${columnsOf('t')}, ${holds({ only, except })} as held from task as t
      where user_id = ${userId} and id = ${id}::uuid and (deleted_at is null or deleted_at > ${deletedSince}::timestamptz)
      for update
    ), clock as (
      update user_clock as c set revision = c.revision + 1
      where user_id = ${userId} and exists (select from stored where held and deleted_at is not null)
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
 * Brings a task back that was deleted after `deletedSince`, if the condition holds, and returns it; a live one is returned as it is.
 * Undefined where there is none.
 */
export async function restore(
  db: Db,
  userId: string,
  id: string,
  condition: Condition,
  deletedSince: string,
): Promise<Written | undefined> {
  return written(await restoring(db, { userId, id, ...condition, deletedSince }))
}

// By the primary key, whatever the size of the trash: in a condition the time could lead to an index of the trash.
const findingInTrash = read(
  'task_find_in_trash',
  (_db, { userId, id, deletedSince }: { userId: string; id: string; deletedSince: string }) => sql<{
    isInTrash: boolean | null
  }>`
    select deleted_at > ${deletedSince}::timestamptz as "isInTrash" from task
    where user_id = ${userId} and id = ${id}::uuid`,
)

/** Whether the task was deleted after `deletedSince`. */
export async function isInTrash(db: Db, userId: string, id: string, deletedSince: string): Promise<boolean> {
  const [found] = await findingInTrash(db, { userId, id, deletedSince })
  return found?.isInTrash === true
}

const locking = write('task_lock', (db, { userId, ids }: { userId: string; ids: string[] }) =>
  db
    .selectFrom('task')
    .select('id')
    .where('user_id', '=', userId)
    .where(sql<boolean>`id = any(${ids}::uuid[])`)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .forUpdate(),
)

/** Locks those of these tasks that there are until the transaction ends, in the order of their ids. */
export async function lock(db: Db, userId: string, ids: string[]): Promise<void> {
  await locking(db, { userId, ids })
}
