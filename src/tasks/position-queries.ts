/**
 * All SQL on the order of positions. As in lists, each value of `completed` is a range of the index of its own, from
 * which a statement reads a few entries.
 */
import { type RawBuilder, sql } from 'kysely'
import { joined, limitTo, lockedInOrder } from '../database/planning.ts'
import { takeRevisions } from '../database/revisions.ts'
import { type Place, read, write } from '../database/statement.ts'

interface Range {
  userId: Place
  /** The condition on positions. */
  where: RawBuilder<unknown>
  isDescending: boolean
  limit: Place
}

/** Up to twice `limit` rows: those of each value of `completed`. */
const bothRanges = ({ userId, where, isDescending, limit }: Range) => {
  const direction = isDescending ? sql`desc` : sql`asc`
  const ranges = [sql`not completed`, sql`completed`].map(
    state => sql`
        (select id, position from task
        where user_id = ${userId} and ${state} and deleted_at is null and ${where}
        order by position ${direction}, id ${direction}
        ${limitTo(limit)})`,
  )
  return sql.join(ranges, sql` union all `)
}

/** The place to move a task to: next to the task `neighbour`, or to `end`. */
interface Target {
  userId: string
  id: string
  neighbour: string | null
  /** '' for the start, '~' for the end; null with a neighbour. */
  end: '' | '~' | null
}

export interface Surroundings {
  /** The position of the task to move; null if there is no such task. */
  position: string | null
  /** The position of the neighbour, or the end; null if there is no such task, or it is the task to move. */
  neighbour: string | null
  /** The greatest position of another task before the neighbour's. */
  before: string | null
  /** The least position of another task after the neighbour's. */
  after: string | null
}

/** What is at the place to move a task to. */
// The lookups by id do not restrict deleted_at: see `find` in queries.ts.
export const findSurroundings = read.one<Target & { limit: 1 }, Surroundings>(
  'task_surroundings',
  ({ userId, id, neighbour, end, limit }) => {
    const lookUp = (task: RawBuilder<unknown>) => sql`
        (select case when deleted_at is null then position end from task where user_id = ${userId} and ${task})`
    const next = (direction: 'before' | 'after') => {
      const isDescending = direction === 'before'
      const where = sql`position ${isDescending ? sql`<` : sql`>`} place.neighbour and id <> ${id}::uuid`
      return sql`
      (select ${isDescending ? sql`max` : sql`min`}(position) from (${bothRanges({ userId, where, isDescending, limit })}) as ranges)`
    }
    return sql`
    select position, neighbour, ${next('before')} as before, ${next('after')} as after
    from (
      select ${lookUp(sql`id = ${id}::uuid`)} as position,
        coalesce(${end}::text, ${lookUp(sql`id = ${neighbour}::uuid and id <> ${id}::uuid`)}) collate "C" as neighbour
      offset 0
    ) as place`
  },
)

export interface Positioned {
  id: string
  position: string
}

const listing = (direction: 'before' | 'from') =>
  read.many<{ userId: string; position: string; limit: number }, Positioned>(
    `task_positions_${direction}`,
    ({ userId, position, limit }) => {
      const isDescending = direction === 'before'
      const where = sql`position ${isDescending ? sql`<` : sql`>=`} ${position}::text`
      const order = isDescending ? sql`position desc, id desc` : sql`position, id`
      return sql`
    select id, position from (${bothRanges({ userId, where, isDescending, limit })}) as ranges
    order by ${order}
    ${limitTo(limit)}`
    },
  )

/** The tasks before a position, the nearest first. */
export const listBefore = listing('before')

/** The tasks at and after a position, the nearest first. */
export const listFrom = listing('from')

interface Reposition {
  userId: string
  ids: string[]
  /** The positions of these tasks now. */
  from: string[]
  /** Those to write. */
  to: string[]
}

/**
 * Writes the positions of several tasks, or nothing if one of them is not where it was: a part of the new positions
 * would be another order. Each task takes its own revision.
 */
export const reposition = write.none<Reposition>(
  'task_reposition',
  ({ userId, ids, from, to }) =>
    sql`
    with wanted as (
      select * from unnest(${ids}::uuid[], ${from}::text[], ${to}::text[]) as wanted (id, old, new)
    ), stored as (
      select t.user_id, t.id, wanted.new, row_number() over () as number
      from (${lockedInOrder('task', userId, sql`unnest(${ids}::uuid[])`, ['position', 'deleted_at'])}) as t
      join wanted on wanted.id = t.id
      where t.deleted_at is null and t.position = wanted.old
    ), complete as (
      select stored.* from stored where (select count(*) from stored) = cardinality(${ids}::uuid[])
    ), clock as (${takeRevisions(userId, { rows: sql`(select from complete)` })}
    )
    update task as t set position = complete.new, revision = clock.revision + 1 - complete.number
    from clock, complete
    where ${joined('t', 'complete', 'id', userId)}`,
)
