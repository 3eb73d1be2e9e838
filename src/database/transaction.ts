/** Several statements that happen together or not at all, also inside of a transaction that does more. */
import { type Kysely, sql } from 'kysely'
import { Problem } from '../contract/problem.ts'
import type { Tables } from './tables.ts'

/** Runs `work`; where it answers with a problem, nothing of what it wrote stays, and the problem is returned. */
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
      // A transaction ends without effect only if something is thrown.
      if (answer instanceof Problem) throw answer
      return answer
    })
  } catch (error) {
    if (error instanceof Problem) return error as Answer
    throw error
  }
}
