/** What tests of the metrics need: their address, and a service that has something to count. */
import { sql } from 'kysely'
import type { ServiceProcess } from '../../scripts/support/process.ts'
import { type HeldDatabase, ownDatabase } from '../../scripts/support/service.ts'
import { conversation } from '../../scripts/support/socket.ts'
import { openPrepared } from './database.ts'

/** Creates a database in which changing a task fails as if its row were locked. */
export async function lockedDatabase(): Promise<HeldDatabase> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  await using database = await openPrepared(config)
  await sql`create function fail() returns trigger language plpgsql as ${sql.lit(`begin
    raise exception 'on purpose' using errcode = '55P03'; end`)}`.execute(database.kysely)
  await sql`create trigger fail before delete or update on task for each row execute function fail()`.execute(
    database.kysely,
  )
  stack.move()
  return config
}

/** Where a service serves its metrics. */
export async function metricsUrl({ logged }: ServiceProcess): Promise<string> {
  const { msg } = await logged(line => line.msg.startsWith('metrics on '))
  return msg.replace('metrics on ', '')
}

/** Sends more requests at once than a connection may; returns what the service sends before it closes it. */
export const exceedPipelining = ({ origin }: ServiceProcess): Promise<string> =>
  conversation(Number(new URL(origin).port), 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(65))
