/** Versioned migrations: the files of `migrations/`, run one by one, by one process at a time. */
import { readdir } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationInfo, type MigrationResultSet, Migrator } from 'kysely/migration'
import { distributeNew } from './distribution.ts'
import { isLockTimeout } from './errors.ts'
import { analyzeLarge } from './statistics.ts'
import type { Tables } from './tables.ts'

const folder = new URL('../../migrations/', import.meta.url)
/** That of this file as well: `.ts`, or `.js` once it is built. */
const extension = extname(import.meta.filename)

/** The oldest PostgreSQL that the tests run on, as server_version_num. */
export const OLDEST_SERVER = 150000

/** The advisory lock held while migrating, and how many milliseconds pass between attempts to acquire any lock. */
const LOCK = 4_093_260_117
const LOCK_RETRY = 300

/** A file of `migrations/`. */
interface MigrationFile extends Migration {
  /** False if it cannot run in a transaction; then it must be repeatable after a crash. */
  transaction?: boolean
}

async function readMigrations(): Promise<Record<string, MigrationFile>> {
  const files = (await readdir(folder)).filter(file => file.endsWith(extension)).sort()
  return Object.fromEntries(
    await Promise.all(files.map(async file => [basename(file, extension), await import(new URL(file, folder).href)])),
  )
}

const migrator = (db: Kysely<Tables>) => new Migrator({ db, provider: { getMigrations: readMigrations } })

/** Every known migration and when it ran. */
export const migrationStatus = (db: Kysely<Tables>): Promise<readonly MigrationInfo[]> => migrator(db).getMigrations()

/**
 * Runs the pending migrations and returns their names. If none is pending, it takes no lock and accepts a schema that
 * is newer than this code, so that a deployment can be rolled back.
 * @param quick finds out whether any is pending, and holds the lock; `db` itself if no other process can migrate
 * @param signal ends the wait for another process that migrates, and for locks
 */
export async function migrateUp(db: Kysely<Tables>, quick = db, signal?: AbortSignal): Promise<string[]> {
  await requireVersion(quick)
  if ((await migrationStatus(quick)).every(isDone)) return []
  const work = async () => {
    const done: string[] = []
    for (const { migration } of (await migrationStatus(db)).filter(info => !isDone(info))) {
      done.push(...(await runNext(() => migrator(db).migrateUp(optionsOf(migration)), signal)))
      // Before the next migration, which may join a new table with one that is distributed.
      await distributeNew(db)
    }
    // The planner knows nothing about a new table or index until the table is analyzed.
    if (done.length > 0) await analyzeLarge(db)
    return done
  }
  return runExclusively(db, quick, work, signal)
}

/** Reverts the newest migration and returns its name; an empty list if there is none. */
export const migrateDown = (db: Kysely<Tables>, quick = db): Promise<string[]> =>
  runExclusively(db, quick, async () => {
    const newest = (await migrationStatus(db)).findLast(isDone)
    return runNext(() => migrator(db).migrateDown(optionsOf(newest?.migration)))
  })

const isDone = ({ executedAt }: MigrationInfo) => executedAt !== undefined

const optionsOf = (migration?: MigrationFile) => ({ disableTransactions: migration?.transaction === false })

/**
 * Runs `work` in one process at a time. Kysely's own lock is not enough: a process that waits for it keeps a snapshot,
 * and `create index concurrently` waits for all older snapshots. An idle transaction holds this lock, and has no
 * snapshot.
 */
export async function runExclusively(
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

/** Runs a migration until it gets its locks: one that sets `lock_timeout` gives them up, and requests go on. */
async function runNext(run: () => Promise<MigrationResultSet>, signal?: AbortSignal): Promise<string[]> {
  while (!signal?.aborted) {
    const { error, results = [] } = await run()
    if (error === undefined) return results.map(result => result.migrationName)
    if (!isLockTimeout(error)) throw error
    await sleep(LOCK_RETRY, undefined, { signal }).catch(() => undefined)
  }
  return []
}

/** Throws if the server is older than `oldest`, a server_version_num. */
export async function requireVersion(db: Kysely<Tables>, oldest = OLDEST_SERVER): Promise<void> {
  const { rows } = await sql<{ number: number; name: string }>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as name`.execute(db)
  for (const { number, name } of rows) {
    if (number < oldest) throw new Error(`PostgreSQL ${oldest / 10000} or newer is required, but this is ${name}`)
  }
}
