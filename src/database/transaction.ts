/** Runs several statements atomically, also inside of a larger transaction. */
import { type Kysely, sql } from 'kysely'
import { Problem } from '../contract/problem.ts'
import type { Tables } from './tables.ts'

/** Runs `work`. If it returns a problem, its writes are rolled back. */
export async function allOrNothing<Answer>(
  db: Kysely<Tables>,
  work: (db: Kysely<Tables>) => Promise<Answer>,
): Promise<Answer> {
  if (db.isTransaction) {
    await sql`savepoint all_or_nothing`.execute(db)
    const answer = await work(db)
    if (answer instanceof Problem) await sql`rollback to savepoint all_or_nothing`.execute(db)
    return answer
  }
  try {
    return await db.transaction().execute(async transaction => {
      const answer = await work(transaction)
      // Kysely rolls a transaction back only if something is thrown.
      if (answer instanceof Problem) throw answer
      return answer
    })
  } catch (error) {
    if (error instanceof Problem) return error as Answer
    throw error
  }
}
