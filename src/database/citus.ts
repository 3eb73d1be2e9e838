/**
 * Citus, the extension that distributes tables over several servers. It sends a statement to the server that has the
 * user's rows, if it understands that the statement needs no others; a few statements need another form for that.
 */
import { type DialectAdapter, type Kysely, sql } from 'kysely'
import type { Tables } from './tables.ts'

const withCitus = new WeakSet<DialectAdapter>()

/** Finds out whether the database has the extension; `usesCitus` tells from then on. */
export async function detectCitus(db: Kysely<Tables>, quick = db): Promise<void> {
  const { rows } = await sql`select from pg_extension where extname = 'citus'`.execute(quick)
  if (rows.length > 0) setCitus(db)
}

/** For `db` and all of its transactions. */
export const usesCitus = (db: Kysely<Tables>): boolean => withCitus.has(adapterOf(db))

/** Uses the form of each statement that suits Citus; every PostgreSQL can execute it. */
export const setCitus = (db: Kysely<Tables>): void => void withCitus.add(adapterOf(db))

const adapterOf = (db: Kysely<Tables>) => db.getExecutor().adapter
