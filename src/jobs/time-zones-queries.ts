/** The SQL by which instants are found for another version of the zone data, and by which its runs are recorded. */
import { sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { read, write } from '../database/statement.ts'
import type { Moment } from '../tasks/dates.ts'

/** The rows of `job` whose names start with the given text. */
export const findRows = read.many<{ start: string }, { name: string; not_before: string }>(
  'time_zones_find_rows',
  ({ start }) => sql`select name, not_before from job where starts_with(name, ${start})`,
)

/** Records when the last complete run of a version began. */
export const recordRun = write.none<{ name: string; began: string }>(
  'time_zones_record_run',
  ({ name, began }) => sql`
    insert into job (name, not_before) values (${name}, ${began}::timestamptz)
    on conflict (name) do update set not_before = excluded.not_before`,
)

/** Up to `limit` users after the given one. */
export const findUsers = read.many<{ after: string; limit: number }, { user_id: string }>(
  'time_zones_find_users',
  ({ after, limit }) => sql`
    select user_id from user_clock where user_id > ${after} order by user_id limit ${limit}`,
)

interface Part {
  userId: string
  /** The id after which the part begins. */
  after: string
  /** Maximum number of tasks to read. */
  limit: number
  from: string
}

export interface Dated {
  id: string
  due: Moment | null
  start: Moment | null
  /** Whether one of the dates is an instant after `from`, and the task is not deleted. */
  matches: boolean
  /** Whether reading ended here, although there may be more tasks. */
  is_end: boolean
}

/** Of a part of a user's tasks, those with instants after `from`, and the one at which reading ended. */
// Instants have a single format, so the order of their texts is the order of time.
export const findInstants = read.many<Part, Dated>('time_zones_find_instants', ({ userId, after, limit, from }) => {
  const isAfter = (column: 'due' | 'start') => sql`(${sql.ref(column)}->>'at') collate "C" > ${from}::text`
  return sql`
    select * from (
      select id, due, start, row_number() over (order by id) = ${limit}::int as is_end,
        deleted_at is null and (coalesce(${isAfter('due')}, false) or coalesce(${isAfter('start')}, false)) as matches
      from (
        select id, due, start, deleted_at from task
        where user_id = ${userId} and id > ${after}::uuid
        order by id
        ${limitTo(limit)}
      ) as read
    ) as numbered
    where matches or is_end
    order by id`
})
