/** Migrations: up, down, up; several servers at once; schemas older and newer than the code. */
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { migrateDown, migrateUp, migrationStatus, requireVersion } from '../../src/database/migrate.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'
import { environment, runMain, untilHealthy } from '../helper/process.ts'
import { client, onPostgres, ownDatabase, randomUser, silent } from '../helper/service.ts'

/** Opens a database of the test's own and empties it. */
async function emptyDatabase(test: Parameters<typeof ownDatabase>[0]) {
  const config = await ownDatabase(test)
  const database = await openDatabase(config, silent)
  await migrateUp(database.kysely)
  while ((await migrateDown(database.kysely)).length > 0);
  return { config, database, db: database.kysely }
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
    const { config, database, db } = await emptyDatabase(t)
    const servers = await Promise.all([1, 2, 3].map(() => runMain(t, environment(config))))
    await Promise.all(servers.map(({ origin }) => untilHealthy(origin)))
    const user = randomUser()
    await Promise.all(servers.map(({ origin }) => client(t, origin).create(user)))
    const { rows } = await sql`select name from kysely_migration`.execute(db)
    t.equal(rows.length, (await migrationStatus(db)).length)
    await database.close()
  },
)

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
  await t.rejects(requireVersion(db, 990000), /^PostgreSQL 99 or newer is needed, and this is 1\d\.\d+/)
  await database.close()
})
