/** All SQL on `job`: a row for each job that one replica at a time may run, with the time at which it becomes free. */
import { sql } from 'kysely'
import { write } from '../database/statement.ts'

/** Takes a free job until `until`; undefined if it is not free. */
export const claim = write.maybe<{ name: string; now: string; until: string }, { name: string }>(
  'job_claim',
  ({ name, now, until }) => sql`
    insert into job as j (name, not_before) values (${name}, ${until}::timestamptz)
    on conflict (name) do update set not_before = excluded.not_before
    where j.not_before <= ${now}::timestamptz
    returning j.name`,
)

/** Moves the end of a lease from `held` to `until`; undefined if another replica has taken the job. */
// Each replica that takes a job sets a different time, so the time identifies the holder.
export const keep = write.maybe<{ name: string; held: string; until: string }, { name: string }>(
  'job_keep',
  ({ name, held, until }) => sql`
    update job set not_before = ${until}::timestamptz
    where name = ${name} and not_before = ${held}::timestamptz
    returning name`,
)
