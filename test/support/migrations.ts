/** Databases at some version of the schema. */
import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { type HeldDatabase, ownDatabase, randomUser } from '../../scripts/support/service.ts'
import { migrateDown, migrateUp } from '../../src/database/migrate.ts'
import type { Database } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { openDisposable } from './database.ts'

interface Opened extends AsyncDisposable {
  config: HeldDatabase
  database: Database
  db: Kysely<Tables>
}

/** Opens a new database. */
async function openOwn(): Promise<Opened> {
  await using stack = new AsyncDisposableStack()
  const config = stack.use(await ownDatabase())
  const database = stack.use(await openDisposable(config))
  const resources = stack.move()
  return { config, database, db: database.kysely, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Opens a new database and empties it. */
export async function openEmpty(): Promise<Opened> {
  const opened = await openOwn()
  await migrateUp(opened.db)
  while ((await migrateDown(opened.db)).length > 0);
  return opened
}

/**
 * Opens a new database at the schema before a migration, with a task and a tombstone.
 * @param name of the migration; without it, the last one
 * @returns the names of the migrations that are pending, too
 */
export async function openBefore(name?: string): Promise<Opened & { pending: string[] }> {
  const opened = await openOwn()
  const { database, db } = opened
  await database.migrate(migrateUp)
  const pending: string[] = []
  do pending.unshift(...(await database.migrate(migrateDown)))
  while (name !== undefined && pending[0] !== name)
  await insertTask(db)
  await insertTask(db, new Date().toISOString())
  return { ...opened, pending }
}

export const insertTask = (db: Kysely<Tables>, deletedAt: string | null = null, title = 'A task') =>
  db
    .insertInto('task')
    .values({
      user_id: randomUser(),
      id: randomUUID(),
      title,
      completed: false,
      created_at: '2025-01-01T00:00:00Z',
      updated_at: '2025-01-01T00:00:00Z',
      revision: 1,
      deleted_at: deletedAt,
    })
    .execute()
