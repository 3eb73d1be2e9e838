/** All SQL of the health check. */
import { sql } from 'kysely'
import { write } from '../database/statement.ts'

/** Writes the only row of `heartbeat`; fails whenever a task could not be written. */
export const writeHeartbeat = write.none<{ now: string }>(
  'heartbeat',
  ({ now }) => sql`
    insert into heartbeat (id, beaten_at) values (1, ${now}::timestamptz)
    on conflict (id) do update set beaten_at = excluded.beaten_at`,
)
