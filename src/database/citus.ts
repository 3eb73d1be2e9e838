/**
 * Citus, the extension that distributes tables over several servers. It sends a statement to the server that has the
 * user's rows, if it understands that the statement needs no others; a few statements need another form for that.
 */
import { type DialectAdapter, type Kysely, sql } from 'kysely'
import type { Tables } from './tables.ts'

const withCitus = new WeakMap<DialectAdapter, boolean>()

/** Whether the database has the extension. */
export async function hasCitus(db: Kysely<Tables>): Promise<boolean> {
  const { rows } = await sql`select from pg_extension where extname = 'citus'`.execute(db)
  return rows.length > 0
}

/** What was set for `db`, or for the one that its transaction belongs to. */
export const usesCitus = (db: Kysely<Tables>): boolean => withCitus.get(adapterOf(db)) === true

/** Whether to use the form of each statement that suits Citus; every PostgreSQL can execute it. */
export const setCitus = (db: Kysely<Tables>, uses: boolean): void => void withCitus.set(adapterOf(db), uses)

const adapterOf = (db: Kysely<Tables>) => db.getExecutor().adapter
