/** Versioned migrations: the files of `migrations/`, run one by one, by one process at a time. */
import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, type MigrationResultSet, Migrator } from 'kysely/migration'
import { analyzeLarge } from './statistics.ts'
import type { Tables } from './tables.ts'

const folder = new URL('../../migrations/', import.meta.url)

/** The oldest PostgreSQL that the tests run on, as server_version_num. */
export const OLDEST_SERVER = 150000

/** The advisory lock held while migrating, and how often others try to get it, in milliseconds. */
const LOCK = 4_093_260_117
const LOCK_RETRY = 300

/** A file of `migrations/`. */
interface MigrationFile extends Migration {
  /** False if it cannot run in a transaction; then it has to be repeatable after a crash. */
  transaction?: boolean
}

async function readMigrations(): Promise<Record<string, MigrationFile>> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.ts')).sort()
  return Object.fromEntries(
    await Promise.all(files.map(async file => [basename(file, '.ts'), await import(new URL(file, folder).href)])),
  )
}

const migrator = (db: Kysely<Tables>) => new Migrator({ db, provider: { getMigrations: readMigrations } })

/** Every known migration and when it was run. */
export const migrationStatus = (db: Kysely<Tables>): Promise<readonly MigrationInfo[]> => migrator(db).getMigrations()

/**
 * Runs what has not been run yet and returns the names. Where nothing is left to do no lock is taken, and a schema that
 * is newer than this code is left alone, so that a deployment can be rolled back.
 * @param quick finds out whether anything is left to do, and holds the lock; `db` itself where no other process can be
 * @param signal ends the waiting for another process that migrates
 */
export async function migrateUp(db: Kysely<Tables>, quick = db, signal?: AbortSignal): Promise<string[]> {
  await requireVersion(quick)
  if ((await migrationStatus(quick)).every(isDone)) return []
  const work = async () => {
    const done: string[] = []
    for (const { migration } of (await migrationStatus(db)).filter(info => !isDone(info))) {
      done.push(...names(await migrator(db).migrateUp(optionsOf(migration))))
    }
    // The planner knows nothing about what is new until it is analyzed.
    if (done.length > 0) await analyzeLarge(db)
    return done
  }
  return alone(db, quick, work, signal)
}

/** Takes the newest migration back and returns its name; none where there is nothing to take back. */
export const migrateDown = (db: Kysely<Tables>, quick = db): Promise<string[]> =>
  alone(db, quick, async () => {
    const newest = (await migrationStatus(db)).findLast(isDone)
    return names(await migrator(db).migrateDown(optionsOf(newest?.migration)))
  })

const isDone = ({ executedAt }: MigrationInfo) => executedAt !== undefined

const optionsOf = (migration?: MigrationFile) => ({ disableTransactions: migration?.transaction === false })

/**
 * Runs `work` in one process at a time. Kysely's own lock is not enough: a process that waits for it keeps a snapshot,
 * and `create index concurrently` waits for all older snapshots. This lock is held by an idle transaction, which has
 * none.
 */
async function alone(
  db: Kysely<Tables>,
  quick: Kysely<Tables>,
  work: () => Promise<string[]>,
  signal?: AbortSignal,
): Promise<string[]> {
  if (quick === db) return work()
  while (!signal?.aborted) {
    const done = await quick
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async transaction => {
        const { rows } = await sql<{ locked: boolean }>`
          select pg_try_advisory_xact_lock(${LOCK}::bigint) as locked`.execute(transaction)
        // Last, because a query with parameters keeps its snapshot until the next statement.
        await sql`set local idle_in_transaction_session_timeout = 0`.execute(transaction)
        return rows[0]?.locked ? work() : undefined
      })
    if (done !== undefined) return done
    await sleep(LOCK_RETRY, undefined, { signal }).catch(() => undefined)
  }
  return []
}

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
