/** Migrations: up, down, up; several servers at once; beside writers; schemas older and newer than the code. */
import { randomUUID } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import { Migrator } from 'kysely/migration'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, onPostgres, ownDatabase, randomUser, silent, type Teardown } from '../../scripts/support/service.ts'
import { migrateDown, migrateUp, migrationStatus, requireVersion } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { untilWaiting } from '../support/locks.ts'

/** Opens a database of the test's own and empties it. */
async function emptyDatabase(test: Teardown) {
  const config = await ownDatabase(test)
  const database = await openDatabase(config, silent)
  await migrateUp(database.kysely)
  while ((await migrateDown(database.kysely)).length > 0);
  return { config, database, db: database.kysely }
}

/** A database of the test's own at the schema before the last migration, with a task and a tombstone. */
async function databaseBefore(test: Teardown) {
  const config = await ownDatabase(test)
  const database = await openDatabase(config, silent)
  test.teardown(() => database.close())
  await database.migrate(migrateUp)
  const [last] = await database.migrate(migrateDown)
  await insertTask(database.kysely)
  await insertTask(database.kysely, new Date().toISOString())
  return { config, database, db: database.kysely, last }
}

const insertTask = (db: Kysely<Tables>, deletedAt: string | null = null) =>
  db
    .insertInto('task')
    .values({
      user_id: randomUser(),
      id: randomUUID(),
      title: 'A task',
      completed: false,
      created_at: '2025-01-01T00:00:00Z',
      updated_at: '2025-01-01T00:00:00Z',
      revision: 1,
      deleted_at: deletedAt,
    })
    .execute()

/** Begins a transaction that has written a task. */
async function startWriter(db: Kysely<Tables>) {
  const writer = await db.startTransaction().execute()
  await insertTask(writer)
  return writer
}

/** Calls `onTry` whenever the lock has been tried for; what that returns counts as whether it was got. */
const watchLock = (quick: Kysely<Tables>, onTry: (locked: boolean) => Promise<boolean>) =>
  quick.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      const { locked } = { ...result.rows[0] }
      return typeof locked === 'boolean' ? { ...result, rows: [{ locked: await onTry(locked) }] } : result
    },
  })

const invalidIndexes = async (db: Kysely<Tables>) => {
  const { rows } = await sql<{ name: string }>`
    select indexrelid::regclass::text as name from pg_index where not indisvalid`.execute(db)
  return rows.map(({ name }) => name)
}

/** The schema as the catalogue has it. */
async function schema(db: Kysely<Tables>): Promise<unknown[]> {
  const columns = await sql`
    select table_name, column_name, data_type, collation_name, is_nullable, datetime_precision
    from information_schema.columns where table_schema = 'public' and table_name not like 'kysely%'
    order by table_name, ordinal_position`.execute(db)
  const indexes = await sql`
    select indexdef from pg_indexes where schemaname = 'public' and tablename not like 'kysely%' order by indexname`.execute(
    db,
  )
  const constraints = await sql`
    select conrelid::regclass::text as table, pg_get_constraintdef(oid) as definition from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'kysely%' order by conname`.execute(
    db,
  )
  return [columns.rows, indexes.rows, constraints.rows]
}

t.test('up, down, up: down leaves nothing, and up makes the same again', async t => {
  const { db, database } = await emptyDatabase(t)
  t.same(await schema(db), [[], [], []])
  t.ok((await migrationStatus(db)).every(({ executedAt }) => executedAt === undefined))
  const names = await migrateUp(db)
  t.same(
    names,
    (await migrationStatus(db)).map(({ name }) => name),
  )
  const made = await schema(db)
  t.same(await migrateUp(db), [], 'nothing is left to do')
  while ((await migrateDown(db)).length > 0);
  t.same(await schema(db), [[], [], []])
  t.same(await migrateUp(db), names)
  t.same(await schema(db), made)
  await database.close()
})

t.test('each migration taken back leaves what was there before it', async t => {
  const { db, database } = await emptyDatabase(t)
  const migrations = Object.fromEntries((await migrationStatus(db)).map(({ name, migration }) => [name, migration]))
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations }, disableTransactions: true })
  const before: unknown[] = []
  for (const _ of Object.keys(migrations)) {
    before.push(await schema(db))
    await migrator.migrateUp()
  }
  for (const name of Object.keys(migrations).reverse()) {
    t.same(await migrateDown(db), [name])
    t.same(await schema(db), before.pop(), name)
  }
  t.same(await migrateDown(db), [])
  await database.close()
})

t.test('a new task makes at most five entries in secondary indexes, and each index says what it is for', async t => {
  const { db, database } = await emptyDatabase(t)
  await migrateUp(db)
  const { rows } = await sql<{ name: string; purpose: string | null; predicate: string | null }>`
    select indexrelid::regclass::text as name, obj_description(indexrelid) as purpose,
      pg_get_expr(indpred, indrelid) as predicate
    from pg_index where indrelid = 'task'::regclass and not indisprimary`.execute(db)
  t.same([...new Set(rows.map(({ predicate }) => predicate))].sort(), [
    '(deleted_at IS NOT NULL)',
    '(deleted_at IS NULL)',
  ])
  t.ok(rows.filter(({ predicate }) => predicate === '(deleted_at IS NULL)').length <= 5)
  t.same(
    rows.filter(({ purpose }) => purpose === null),
    [],
  )
  await database.close()
})

t.test('every key and index of a user’s data starts with user_id', async t => {
  const { db, database } = await emptyDatabase(t)
  await migrateUp(db)
  const { rows } = await sql<{ tablename: string; indexdef: string }>`
    select tablename, indexdef from pg_indexes where tablename in ('task', 'user_clock', 'idempotency_key')
    -- Purging looks for what is oldest, whoever has it.
    and indexname not in ('task_purge_idx', 'idempotency_key_purge_idx')`.execute(db)
  t.equal(rows.length, 9)
  for (const { indexdef } of rows) t.match(indexdef, /btree \(user_id/)
  await database.close()
})

t.test(
  'several servers that start at once migrate once',
  { skip: !onPostgres && 'PGlite serves one process' },
  async t => {
    const { config, db } = await databaseBefore(t)
    await using stack = new AsyncDisposableStack()
    const start = async () => stack.use(await startProcess(environment(config)))
    const servers = await Promise.all([1, 2, 3].map(start))
    await Promise.all(servers.map(({ origin }) => untilHealthy(origin)))
    const user = randomUser()
    await Promise.all(servers.map(({ origin }) => client(origin).create(user)))
    const { rows } = await sql`select name from kysely_migration`.execute(db)
    t.equal(rows.length, (await migrationStatus(db)).length)
    t.same(await invalidIndexes(db), [])
  },
)

t.test('whoever finds another process migrating waits, and does nothing twice', async t => {
  const { db, database } = await emptyDatabase(t)
  // PGlite has one session: another database stands in for that which looks and locks.
  const other = await emptyDatabase(t)
  let tries = 0
  const quick = watchLock(other.db, async () => {
    tries += 1
    if (tries === 1) t.not((await migrateUp(db)).length, 0)
    return tries > 1
  })
  t.same(await migrateUp(db, quick), [])
  t.equal(tries, 2)
  await Promise.all([database.close(), other.database.close()])
})

t.test('waiting for another process that migrates ends with the signal', async t => {
  const { db, database } = await emptyDatabase(t)
  const other = await emptyDatabase(t)
  const stopping = new AbortController()
  const quick = watchLock(other.db, async () => {
    stopping.abort()
    return false
  })
  t.same(await migrateUp(db, quick, stopping.signal), [])
  t.ok((await migrationStatus(db)).every(({ executedAt }) => executedAt === undefined))
  await Promise.all([database.close(), other.database.close()])
})

t.test('after a migration the planner knows the tables that are large, and no other', async t => {
  const known = async (db: Kysely<Tables>) => {
    const { rows } = await sql<{
      name: string
    }>`select distinct tablename as name from pg_stats where schemaname = 'public'`.execute(db)
    return rows.map(({ name }) => name)
  }
  const { db, database } = await databaseBefore(t)
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select 'user', gen_random_uuid(), 'T', false, now(), now(), number
    from generate_series(1, 5000) as number`.execute(db)
  t.same(await known(db), [])
  await database.migrate(migrateUp)
  t.same(await known(db), ['task'])
})

t.test(
  'indexes are built beside writers, and beside others who wait to migrate',
  { skip: !onPostgres && 'PGlite has one session' },
  async t => {
    const { database, db, last } = await databaseBefore(t)
    const writer = await startWriter(db)
    const migrating = database.migrate(migrateUp)
    await untilWaiting(db, 'task_trash_idx')
    const refused = Promise.withResolvers<boolean>()
    const waiting = database.migrate((db, quick) =>
      migrateUp(
        db,
        watchLock(quick, async locked => {
          refused.resolve(!locked)
          return locked
        }),
      ),
    )
    t.ok(await refused.promise, 'another process has to wait')
    await insertTask(db)
    await untilWaiting(db, 'task_trash_idx')
    await writer.commit().execute()
    t.same(await Promise.all([migrating, waiting]), [[last], []])
    t.same(await invalidIndexes(db), [])
  },
)

t.test('what a crash left of an index is built anew', { skip: !onPostgres && 'PGlite has one session' }, async t => {
  const { database, db, last } = await databaseBefore(t)
  const writer = await startWriter(db)
  const migrating = database.migrate(migrateUp)
  await untilWaiting(db, 'task_trash_idx')
  const ended = t.rejects(migrating, { code: '57P01' })
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query like 'create index concurrently%'`.execute(db)
  await ended
  await writer.commit().execute()
  t.same(await invalidIndexes(db), ['task_trash_idx'])
  t.same(await database.migrate(migrateUp), [last])
  t.same(await invalidIndexes(db), [])
})

t.test('a schema that is newer than the code is left alone', async t => {
  const { db, database } = await emptyDatabase(t)
  await migrateUp(db)
  await sql`insert into kysely_migration (name, timestamp) values ('9999_from_the_future', now()::text)`.execute(db)
  t.same(await migrateUp(db), [])
  await database.close()
})

t.test('a migration that fails says so', async t => {
  const { db, database } = await emptyDatabase(t)
  await sql`create table task (id int)`.execute(db)
  await t.rejects(migrateUp(db), /relation "task" already exists/)
  t.same(await migrationStatus(db).then(all => all.filter(({ executedAt }) => executedAt !== undefined)), [])
  await database.close()
})

t.test('a server that is too old is refused', async t => {
  const { db, database } = await emptyDatabase(t)
  await t.rejects(requireVersion(db, 990000), /^PostgreSQL 99 or newer is required, but this is 1\d\.\d+/)
  await database.close()
})
