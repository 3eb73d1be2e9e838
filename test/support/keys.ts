/** Trouble with idempotency keys, made by the database itself. */
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../src/database/tables.ts'

/**
 * From now on the key that is a SQLSTATE, such as 55P03, fails with that error when it is taken; and `vanished` is
 * neither taken nor there, as one that is purged between two looks. Returns what ends this.
 */
export async function troubleKeys(kysely: Kysely<Tables>): Promise<() => Promise<unknown>> {
  await sql`
    create function trouble() returns trigger language plpgsql as $$
    begin
      if new.key = 'vanished' then return null; end if;
      if new.key ~ '^[0-9A-Z]{5}$' then raise exception 'made to fail' using errcode = new.key; end if;
      return new;
    end $$`.execute(kysely)
  await sql`create trigger trouble before insert on idempotency_key for each row execute function trouble()`.execute(
    kysely,
  )
  return () => sql`drop trigger trouble on idempotency_key`.execute(kysely)
}
