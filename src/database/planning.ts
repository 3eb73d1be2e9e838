/**
 * How statements keep to their indexes whatever PostgreSQL knows of the data. Its estimates are for the average user, and guesses where it
 * has never counted: by them it may rather fetch all of a user's rows and sort or filter them.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Place } from './statement.ts'

/**
 * A limit whose value the planner does not see. It reckons with a tenth of the rows then, and follows the index that has their order; a
 * limit beyond its estimate would make it fetch them all and sort them.
 */
export const limitTo = (rows: Place) => sql`limit (select ${rows}::int)`

/** The column that tells a user's rows apart, and its order. */
const IDS = {
  task: { id: sql`id`, order: sql`id` },
  idempotency_key: { id: sql`key`, order: sql`id collate "C"` },
}

/**
 * The user's rows with these ids, locked in the order of the ids: concurrent statements that lock several rows all do so, and none waits in
 * a circle. The lateral join leaves PostgreSQL nothing but to walk the ids; with `id = any(…)` it may walk all of the user's rows instead.
 * It reckons with ten ids of an array that it does not see, and with one where there is a limit, which is none: for more it would join
 * what follows with the whole table. What else a row has to be is looked at outside, after the lock.
 * @param ids an item of a from clause whose only column are the ids
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
