/** Gives all users a new epoch: afterwards no sync token from before is valid. */
import { type Kysely, sql } from 'kysely'
import { createEpoch } from '../database/epoch.ts'
import { write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'

/** How many users get theirs at a time. */
const CHUNK = 1_000

/**
 * How far revisions are moved on: further than any that were given after the backup, which must not be given again. 2^21 restores fit into
 * a number that is exact in JavaScript.
 */
const REVISIONS = 2 ** 32

interface Chunk {
  after: string
  limit: number
  epoch: number
  revisions: number
}

const renewing = write(
  'user_renew_epoch',
  (_db, { after, limit, epoch, revisions }: Chunk) => sql<{ count: number; last: string }>`
    with chosen as (
      select user_id from user_clock where user_id > ${after} order by user_id limit ${limit}
    ), renewed as (
      update user_clock as c set epoch = ${epoch}, revision = c.revision + ${revisions}
      where c.user_id = any(array(select user_id from chosen))
      returning c.user_id
    )
    select (select count(*) from chosen) as count, (select max(user_id) from chosen) as last from (select count(*) from renewed) as r`,
)

/** @param progress gets the number of users so far after each chunk */
export async function renewEpochs(db: Kysely<Tables>, progress: (users: number) => void): Promise<void> {
  const epoch = createEpoch()
  let users = 0
  let [after, count] = ['', CHUNK]
  while (count === CHUNK) {
    const [renewed] = await renewing(db, { after, limit: CHUNK, epoch, revisions: REVISIONS })
    ;({ last: after, count } = renewed as { last: string; count: number })
    users += count
    progress(users)
  }
}
