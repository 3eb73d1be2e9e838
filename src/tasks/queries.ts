/**
 * All SQL on tasks: one function a statement.
 *
 * Every write takes the next number of its user's clock in the same statement, under the lock of the clock's row, which
 * is held until commit: numbers become visible in order and without gaps. A write locks its task before the clock.
 * Times come as parameters, never from now(), and every condition names user_id: distributed PostgreSQL asks for both.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { components, operations } from '../contract/openapi.gen.ts'
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

/** The task, or undefined where there is none or it is deleted. */
export async function find(db: Db, userId: string, id: string): Promise<Task | undefined> {
  return db
    .selectFrom('task')
    .select(columns)
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

export interface Page {
  sort: Sort
  limit: number
  completed?: boolean | undefined
  after?: Position | undefined
  /** Not the live tasks, but those that were deleted since then. */
  deletedSince?: string | undefined
}

/** Up to `limit` tasks after `after`, in the order of `sort`; equal keys by id, in the same direction. */
export async function list(db: Db, userId: string, page: Page): Promise<Task[]> {
  const descending = page.sort.startsWith('-')
  const key = page.sort.replace('-', '') as 'created_at' | 'updated_at' | 'title'
  const direction = descending ? 'desc' : 'asc'
  const { after, deletedSince } = page
  return db
    .selectFrom('task')
    .select(columns)
    .where('user_id', '=', userId)
    .$if(deletedSince === undefined, query => query.where('deleted_at', 'is', null))
    .$if(deletedSince !== undefined, query => query.where('deleted_at', '>', deletedSince as string))
    .$if(page.completed !== undefined, query => query.where('completed', '=', page.completed as boolean))
    .$if(after !== undefined, query => query.where(keyset(key, descending, after as Position)))
    .orderBy(key, direction)
    .orderBy('id', direction)
    .limit(page.limit)
    .execute()
}

/** A row comparison, which PostgreSQL turns into the start of an index range. */
const keyset = (key: 'created_at' | 'updated_at' | 'title', descending: boolean, after: Position) =>
  sql<boolean>`(${sql.ref(key)}, id) ${descending ? sql`<` : sql`>`} (${after.key}, ${after.id}::uuid)`

/** Stores a new task; undefined where the user has, or had, one with this id, and nothing is written then. */
export async function insert(
  db: Db,
  userId: string,
  task: Pick<Task, 'id' | 'title' | 'description' | 'completed'>,
  now: string,
): Promise<Task | undefined> {
  // Of two that create the same task at the same moment the second finds out in the end only, and its number is of no task.
  const { rows } = await sql<Task>`
    with clock as (
      insert into user_clock as c (user_id, revision)
      select ${userId}::text, 1
      where not exists (select from task where user_id = ${userId} and id = ${task.id}::uuid)
      on conflict (user_id) do update set revision = c.revision + 1
      returning revision
    )
    insert into task as t (${allColumns})
    select ${task.id}::uuid, ${userId}, ${task.title}, ${task.description}, ${task.completed}::boolean,
      ${task.completed ? now : null}::timestamptz, ${now}::timestamptz, ${now}::timestamptz, null, clock.revision
    from clock
    on conflict (user_id, id) do nothing
    returning ${columnsOf('t')}`.execute(db)
  return rows[0]
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

/**
 * Changes a task if the condition holds and returns it; undefined where there is none. Changes that equal what is stored
 * write nothing: the task is locked and read first, and the clock moves only if the locked task would become another one.
 */
export async function update(
  db: Db,
  userId: string,
  id: string,
  changes: Changes,
  condition: Condition,
  now: string,
): Promise<Written | undefined> {
  const title = changes.title === undefined ? sql`t.title` : sql`${changes.title}::text`
  const description = changes.description === undefined ? sql`t.description` : sql`${changes.description}::text`
  const completed = newCompleted(changes.completed)
  const { rows } = await sql<Task & { held: boolean }>`
    with stored as (
      select ${columnsOf('t')}, ${holds(condition)} as held from task as t
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
    select * from stored where not exists (select from changed)`.execute(db)
  return written(rows)
}

function written(rows: (Task & { held: boolean })[]): Written | undefined {
  if (rows[0] === undefined) return undefined
  const { held, ...task } = rows[0]
  return { task, held }
}

function newCompleted(value: Changes['completed']): RawBuilder<unknown> {
  if (value === undefined) return sql`t.completed`
  return value === 'toggle' ? sql`not t.completed` : sql`${value}::boolean`
}

/** Makes a tombstone of a task if the condition holds; returns the revision that it had, undefined where there is none. */
export async function remove(
  db: Db,
  userId: string,
  id: string,
  condition: Condition,
  now: string,
): Promise<{ revision: number; held: boolean } | undefined> {
  const { rows } = await sql<{ revision: number; held: boolean }>`
    with stored as (
      select t.revision, ${holds(condition)} as held from task as t
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
    select revision, held from stored`.execute(db)
  return rows[0]
}

/**
 * Makes tombstones of up to `limit` tasks that are completed, or that are not; returns how many. Each takes a number of its
 * own, for a change feed that is cut between two of them must know which of them it has told. Whoever locks several tasks
 * of a user locks them in the order of their ids: then nobody waits in a circle. Arrays and no join, which goes over all of
 * a user's tasks for each of these where PostgreSQL does not know yet how many there are.
 */
export async function removeAll(
  db: Db,
  userId: string,
  completed: boolean,
  limit: number,
  now: string,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with stored as (
      select id from task
      where user_id = ${userId} and completed = ${completed} and deleted_at is null
      order by id
      limit ${limit}
      for update
    ), clock as (
      update user_clock as c set revision = c.revision + (select count(*) from stored)
      where user_id = ${userId} and exists (select from stored)
      returning revision
    ), removed as (
      update task as t set
        deleted_at = ${now}::timestamptz,
        revision = clock.revision + 1 - array_position(array(select id from stored order by id), t.id)
      from clock
      where t.user_id = ${userId} and t.id = any(array(select id from stored)) and t.deleted_at is null
      returning t.id
    )
    select count(*) as count from removed`.execute(db)
  return rows[0]?.count as number
}

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
  const { rows } = await sql<Task & { held: boolean }>`
    with stored as (
      select ${columnsOf('t')}, ${holds(condition)} as held from task as t
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
    select * from stored where not exists (select from restored)`.execute(db)
  return written(rows)
}

/** Whether the task was deleted after `deletedSince`. */
export async function isInTrash(db: Db, userId: string, id: string, deletedSince: string): Promise<boolean> {
  const found = await db
    .selectFrom('task')
    .select('id')
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .where('deleted_at', '>', deletedSince)
    .executeTakeFirst()
  return found !== undefined
}

/** Locks those of these tasks that there are until the transaction ends, in the order of their ids. */
export async function lock(db: Db, userId: string, ids: string[]): Promise<void> {
  await db
    .selectFrom('task')
    .select('id')
    .where('user_id', '=', userId)
    .where(sql<boolean>`id = any(${ids}::uuid[])`)
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute()
}
