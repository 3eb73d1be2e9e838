/** All SQL on the tags of a user's live tasks. There is no index of tags: each statement reads the user's live tasks. */
import { type RawBuilder, sql } from 'kysely'
import type { components } from '../contract/openapi.gen.ts'
import { joined, limitTo, lockedInOrder } from '../database/planning.ts'
import { takeRevisions } from '../database/revisions.ts'
import { type Place, type Places, read, write } from '../database/statement.ts'

/**
 * A query for the user's live tasks. Its order is that of an index, which has no other tasks; without it PostgreSQL may
 * scan the whole table for a user who has much of it.
 */
const fromLive = (
  userId: Place,
  columns: RawBuilder<unknown>,
  { condition = sql``, limit = sql`limit (select null::int)` } = {},
) => {
  const ranges = [sql`not completed`, sql`completed`].map(
    state => sql`
        (select ${columns} from task
        where user_id = ${userId} and ${state} and deleted_at is null${condition}
        order by created_at desc, id desc
        ${limit})`,
  )
  return sql.join(ranges, sql` union all `)
}

interface Page {
  userId: string
  /** The name before the page; empty for the first one. */
  after: string
  limit: number
}

/** Tags with the number of live tasks that have them, ordered by name. */
export const list = read.many<Page, components['schemas']['Tag']>(
  'tag_list',
  ({ userId, after, limit }) => sql`
    select name, count(*) as task_count, count(*) filter (where not completed) as open_task_count
    from (${fromLive(userId, sql`tags, completed`)}) as task cross join lateral unnest(tags) as name
    where name collate "C" > ${after}::text
    group by name
    order by name collate "C"
    ${limitTo(limit)}`,
)

interface Change {
  userId: string
  tag: string
  /** Maximum number of tasks to change. */
  limit: number
  now: string
}

/**
 * Changes the tags of up to `limit` live tasks that have a tag. Each takes its own revision, because a page of the
 * change feed may end between two of them.
 * @param next the new tags, computed from `t.tags`
 */
// Lock in id order so that concurrent calls cannot deadlock.
const changing = ({ userId, tag, limit, now }: Places<Change>, next: RawBuilder<unknown>) => {
  const hasTag = sql`tags @> array[${tag}::text]`
  return sql`
    with chosen as (
      select id from (${fromLive(userId, sql`id`, { condition: sql` and ${hasTag}`, limit: limitTo(limit) })}) as task
      ${limitTo(limit)}
    ), stored as (
      select user_id, id, ${next} as tags, row_number() over () as number
      from (${lockedInOrder('task', userId, sql`(select id from chosen)`, ['tags', 'deleted_at'])}) as t
      where ${hasTag} and deleted_at is null
    ), clock as (${takeRevisions(userId, { rows: sql`(select from stored)` })}
    ), updated as (
      update task as t set tags = stored.tags, updated_at = greatest(t.updated_at, ${now}::timestamptz),
        revision = clock.revision + 1 - stored.number
      from clock, stored
      where ${joined('t', 'stored', 'id', userId)}
      returning t.id
    )
    select count(*) as updated_count, (select count(*) from chosen) = ${limit}::int as has_more
    from updated`
}

/** Gives a tag another name; a task that has both keeps one. */
export const rename = write.one<Change & { name: string }, components['schemas']['TagChange']>('tag_rename', places => {
  const renamed = sql`
        select tag from unnest(array_replace(t.tags, ${places.tag}::text, ${places.name}::text)) as tag
        group by tag order by tag collate "C"`
  return changing(places, sql`array(${renamed})`)
})

/** Removes a tag from tasks. */
export const remove = write.one<Change, components['schemas']['TagChange']>('tag_remove', places =>
  changing(places, sql`array_remove(t.tags, ${places.tag}::text)`),
)
