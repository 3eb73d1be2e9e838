/**
 * Fragments that keep a statement on its indexes, whatever statistics PostgreSQL has. Its estimates describe the
 * average user, and are guesses for a table that was never analyzed; they can make it fetch all of a user's rows to
 * sort or filter them.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Place } from './statement.ts'

/**
 * A limit whose value the planner does not see. The planner then assumes a tenth of the rows and reads the index in
 * order. A visible limit above its estimate of the rows would make it fetch and sort all of them.
 */
export const limitTo = (rows: Place) => sql`limit (select ${rows}::int)`

/** The column that identifies a row of a user, and its order. */
const IDS = {
  task: { id: sql`id`, order: sql`id` },
  idempotency_key: { id: sql`key`, order: sql`id collate "C"` },
}

/**
 * The user's rows with these ids, locked in id order so that concurrent statements cannot deadlock. The lateral join
 * makes PostgreSQL look up each id; with `id = any(…)` it may walk all of the user's rows instead. It assumes ten ids
 * for an array that it does not see, and a tenth of that under a limit that it does not see (here null: no limit). So
 * it joins what follows by index instead of scanning the table. Check other conditions outside, after the lock.
 * @param ids an item of a from clause with one column, the ids
 * @param columns to return beside `user_id` and the id
 */
export const lockedInOrder = (
  table: keyof typeof IDS,
  userId: Place,
  ids: RawBuilder<unknown>,
  columns: readonly string[] = [],
) => {
  const { id, order } = IDS[table]
  return sql`
        select locked.* from unnest(array(select id from ${ids} as given (id) group by id order by ${order})) as wanted (id)
        cross join lateral (
          select ${sql.join([sql`user_id`, id, ...columns.map(column => sql.ref(column))])} from ${sql.table(table)}
          where user_id = ${userId} and ${id} = wanted.id
          offset 0
          for update
        ) as locked
        limit (select null::int)`
}

/**
 * Joins a table with rows that `lockedInOrder` returned. Their user_id makes PostgreSQL look up each row. The value
 * itself would make it scan the user's rows if it believes that they are few; but Citus must see it to find the server
 * that has them. So it is compared in a collation that no index has. It seems to select next to nothing, and of a join
 * with a unique key PostgreSQL then believes that it finds no row, and that this takes two looks: more than to scan a
 * table that was empty when the plan was made. A range of one id is not unique to it.
 */
export const joined = (table: string, rows: string, id: string, userId: Place) => {
  const column = (of: string, name: string) => sql.ref(`${of}.${name}`)
  const wanted = column(rows, id)
  return sql`${column(table, 'user_id')} = ${column(rows, 'user_id')}
        and ${column(table, id)} between ${wanted} and ${wanted} and ${column(table, 'user_id')} = ${userId} collate "C"`
}
