/** Versioned migrations: the files of `migrations/`, run under Kysely's lock. */
import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, type MigrationResultSet, Migrator } from 'kysely/migration'
import type { Tables } from './tables.ts'

const folder = new URL('../../migrations/', import.meta.url)

/** The oldest PostgreSQL that the tests run on, as server_version_num. */
export const OLDEST_SERVER = 150000

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.ts')).sort()
  return Object.fromEntries(
    await Promise.all(files.map(async file => [basename(file, '.ts'), await import(new URL(file, folder).href)])),
  )
}

const migrator = (db: Kysely<Tables>) => new Migrator({ db, provider: { getMigrations: readMigrations } })

/** Every known migration and when it was run. */
export const migrationStatus = (db: Kysely<Tables>): Promise<readonly MigrationInfo[]> => migrator(db).getMigrations()

/**
 * Runs what has not been run yet and returns the names. Where nothing is left to do no lock is taken, and a schema that is
 * newer than this code is left alone, so that a deployment can be rolled back.
 * @param quick finds out whether anything is left to do
 */
export async function migrateUp(db: Kysely<Tables>, quick = db): Promise<string[]> {
  await requireVersion(quick)
  const status = await migrationStatus(quick)
  if (status.every(migration => migration.executedAt !== undefined)) return []
  return names(await migrator(db).migrateToLatest())
}

/** Takes the newest migration back and returns its name; none where there is nothing to take back. */
export const migrateDown = async (db: Kysely<Tables>): Promise<string[]> => names(await migrator(db).migrateDown())

function names({ error, results = [] }: MigrationResultSet): string[] {
  if (error !== undefined) throw error
  return results.map(result => result.migrationName)
}

/** Throws where the server is older than `oldest`, a server_version_num. */
export async function requireVersion(db: Kysely<Tables>, oldest = OLDEST_SERVER): Promise<void> {
  const { rows } = await sql<{ number: number; name: string }>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as name`.execute(db)
  for (const { number, name } of rows) {
    if (number < oldest) throw new Error(`PostgreSQL ${oldest / 10000} or newer is needed, and this is ${name}`)
  }
}
