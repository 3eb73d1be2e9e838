/** All SQL of the health check. */
import type { Kysely } from 'kysely'
import { write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'

const beating = write('heartbeat', (db, { now }: { now: string }) =>
  db
    .insertInto('heartbeat')
    .values({ id: 1, beaten_at: now })
    .onConflict(conflict => conflict.column('id').doUpdateSet(eb => ({ beaten_at: eb.ref('excluded.beaten_at') }))),
)

/** Writes the one row of `heartbeat`: fails wherever a task could not be written either. */
export async function beat(db: Kysely<Tables>, now: string): Promise<void> {
  await beating(db, { now })
}
