/** What every write of one task has in common: its lock, its precondition, its revision and its times. */
import { type RawBuilder, sql } from 'kysely'
import type { Precondition } from '../contract/precondition.ts'
import { takeRevisions } from '../database/revisions.ts'
import type { Place, Places } from '../database/statement.ts'
import { columnsOf, type Task } from './columns.ts'

export interface Key {
  userId: string
  id: string
}

/** The key of the task to write, and the write's precondition. */
export type Target = Key & Precondition

/** The task after a write; unchanged if the write's precondition failed. */
export type Written = Task & {
  /** Whether the precondition held. */
  matched: boolean
  /** The user's number of tombstones afterwards; 0 if nothing was written. */
  tombstones: number
}

interface Write {
  /** A further condition on the row `task`, besides the precondition. */
  condition?: RawBuilder<unknown>
  /** Whether the locked `task` exists for this write; if not, no row is returned. */
  exists?: RawBuilder<unknown>
  /** An item of a from clause with the new values of `columns`, computed from `stored.task`. */
  next: RawBuilder<unknown>
  columns: readonly string[]
  /** Further assignments, which may refer to `t` and `next`. */
  others?: RawBuilder<unknown>
  counters?: Pick<Parameters<typeof takeRevisions>[1], 'live' | 'tombstones' | 'when'>
}

/**
 * Every write of one task: locks it, checks the condition on the locked row, takes a revision if the task would change,
 * writes it and returns it. `next` must be outside of the query that locks; inside, it would be computed from the row
 * as it was before the wait for the lock.
 */
export const writeOne = (
  { userId, id, ifMatch, ifNoneMatch }: Places<Target>,
  { condition, exists = sql`(task).deleted_at is null`, next, columns, others = sql``, counters }: Write,
) => {
  const of = (row: string) => sql.join(columns.map(column => sql`${sql.raw(row)}.${sql.ref(column)}`))
  const revision = sql`(task).revision`
  // null is `*`, which matches every revision.
  const is = (list: Place) => sql`(${list}::bigint[] is null or ${revision} = any(${list}::bigint[]))`
  const matched = sql`${is(ifMatch)} and not ${is(ifNoneMatch)}${condition === undefined ? sql`` : sql` and ${condition}`}`
  return sql`
    with stored as (
      select task, ${matched} as matched
      from (select task from task where user_id = ${userId} and id = ${id}::uuid offset 0 for update) as locked
      where ${exists}
    ), next as (
      select ${of('next')}
      from stored cross join lateral ${next} as next
      where matched and (${of('next')}) is distinct from (${of('(stored.task)')})
    ), clock as (${takeRevisions(userId, { rows: sql`(select from next)`, ...counters })}
    ), written as (
      update task as t set
        ${sql.join(columns.map(column => sql`${sql.ref(column)} = ${sql.ref(`next.${column}`)}`))},
        revision = clock.revision${others}
      from clock, next
      where t.user_id = ${userId} and t.id = ${id}::uuid
      returning ${columnsOf('t')}, true as matched, clock.tombstones
    )
    select * from written
    union all
    select ${columnsOf('(task)')}, matched, 0 from stored where not exists (select from written)`
}

/** Times never decrease, although the clocks of replicas differ. */
export const touched = (now: Place) => sql`,
        updated_at = greatest(t.updated_at, ${now}::timestamptz)`

/** How a change of fields that may include `completed` changes the times of a task. */
export const touchedOrCompleted = (now: Place) => sql`,
        completed_at = case
          when next.completed then coalesce(t.completed_at, greatest(t.updated_at, ${now}::timestamptz))
        end${touched(now)}`
