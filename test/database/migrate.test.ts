/** Migrations: up, down and up again, what they make, and what they refuse. */
import { type Kysely, sql } from 'kysely'
import { Migrator } from 'kysely/migration'
import t from 'tap'
import { onCitus } from '../../scripts/support/service.ts'
import { migrateDown, migrateUp, migrationStatus, requireVersion } from '../../src/database/migrate.ts'
import type { Tables } from '../../src/database/tables.ts'
import { positionOfNew } from '../../src/tasks/position.ts'
import { foldedColumn } from '../../src/tasks/search.ts'
import { insertTask, openBefore, openEmpty } from '../support/migrations.ts'

/** The schema as the catalogue describes it. */
async function schema(db: Kysely<Tables>): Promise<unknown[]> {
  const columns = await sql`
    select table_name, column_name, data_type, collation_name, is_nullable, datetime_precision
    from information_schema.columns where table_schema = 'public' and table_name !~ '^(kysely|citus)'
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

t.test('down leaves nothing behind, and up restores the same schema', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  t.same(await schema(db), [[], [], []])
  t.ok((await migrationStatus(db)).every(({ executedAt }) => executedAt === undefined))
  const names = await migrateUp(db)
  t.same(
    names,
    (await migrationStatus(db)).map(({ name }) => name),
  )
  const made = await schema(db)
  t.same(await migrateUp(db), [], 'nothing is pending')
  while ((await migrateDown(db)).length > 0);
  t.same(await schema(db), [[], [], []])
  t.same(await migrateUp(db), names)
  t.same(await schema(db), made)
})

t.test('down restores the schema before each migration', async t => {
  await using opened = await openEmpty()
  const { db } = opened
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
})

t.test('a new task makes at most seven entries in secondary indexes, and each index has a comment', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await migrateUp(db)
  const { rows } = await sql<{ name: string; purpose: string | null; predicate: string | null }>`
    select indexrelid::regclass::text as name, obj_description(indexrelid) as purpose,
      pg_get_expr(indpred, indrelid) as predicate
    from pg_index where indrelid = 'task'::regclass and not indisprimary`.execute(db)
  t.same([...new Set(rows.map(({ predicate }) => predicate))].sort(), [
    '(deleted_at IS NOT NULL)',
    '(deleted_at IS NULL)',
  ])
  t.ok(rows.filter(({ predicate }) => predicate === '(deleted_at IS NULL)').length <= 7)
  t.same(
    rows.filter(({ purpose }) => purpose === null),
    [],
  )
})

t.test('every key and index of a user’s data starts with user_id', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await migrateUp(db)
  const { rows } = await sql<{ tablename: string; indexdef: string }>`
    select tablename, indexdef from pg_indexes where tablename in ('task', 'user_clock', 'idempotency_key')
    -- Purging looks for the oldest rows of all users.
    and indexname not in ('task_purge_idx', 'idempotency_key_purge_idx')`.execute(db)
  t.equal(rows.length, 12)
  for (const { indexdef } of rows) t.match(indexdef, /btree \(user_id/)
})

const withoutSizes = onCitus && 'the coordinator has no rows to analyze, and workers have autovacuum'

t.test('a migration analyzes large tables, and no others', { skip: withoutSizes }, async t => {
  const known = async (db: Kysely<Tables>) => {
    const { rows } = await sql<{
      name: string
    }>`
      select distinct tablename as name from pg_stats join pg_tables using (schemaname, tablename)
      where schemaname = 'public'`.execute(db)
    return rows.map(({ name }) => name)
  }
  await using opened = await openBefore()
  const { db, database } = opened
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select 'user', gen_random_uuid(), 'T', false, now(), now(), number
    from generate_series(1, 5000) as number`.execute(db)
  t.same(await known(db), [])
  await database.migrate(migrateUp)
  t.same(await known(db), ['task'])
})

t.test('the texts of tasks from before are folded for search', async t => {
  await using opened = await openBefore('0005_organise')
  const { db, database } = opened
  await sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select 'user', gen_random_uuid(), 'Ärger ' || number, false, now(), now(), number
    from generate_series(1, 501) as number`.execute(db)
  await insertTask(db, new Date().toISOString(), 'Éclair')
  await sql`update task set description = 'ΣΊΣΥΦΟΣ' where title = 'Ärger 1'`.execute(db)
  await database.migrate(migrateUp)
  const { rows } = await sql<{
    title: string
    description: string | null
    title_folded: string | null
    description_folded: string | null
  }>`select title, description, title_folded, description_folded from task`.execute(db)
  t.equal(rows.length, 504)
  for (const { title, description, title_folded, description_folded } of rows) {
    t.equal(title_folded, foldedColumn(title), title)
    t.equal(description_folded, foldedColumn(description))
  }
  const folded = rows.map(row => row.title_folded)
  t.ok(folded.includes('eclair') && folded.includes('arger 501'))
})

t.test('a repeated migration folds the texts of tasks that older replicas created meanwhile', async t => {
  await using opened = await openBefore('0005_organise')
  const { db, database, pending } = opened
  await database.migrate(migrateUp)
  // As after a crash: the migration is not recorded as done.
  await sql`delete from kysely_migration where name = any(${pending}::text[])`.execute(db)
  await insertTask(db, null, 'Éclair')
  t.same(await database.migrate(migrateUp), pending)
  const { rows } = await sql<{ title_folded: string }>`select title_folded from task where title = 'Éclair'`.execute(db)
  t.same(rows, [{ title_folded: 'eclair' }])
})

t.test('tasks from before, and those of older replicas, are in the order of their creation', async t => {
  await using opened = await openBefore('0005_organise')
  const { db, database } = opened
  const create = (created: string) =>
    sql`
    insert into task (user_id, id, title, completed, created_at, updated_at, revision)
    select 'user', gen_random_uuid(), 'T', false, created, created, number
    from generate_series(1, 501) as number, lateral (select ${sql.raw(created)} as created) as times`.execute(db)
  await create(`'2020-01-01T00:00:00.123Z'::timestamptz + number * interval '1 day'`)
  await database.migrate(migrateUp)
  type Row = { id: string; created_at: string; position: string }
  const before = await sql<Row>`select id, created_at, position from task where user_id = 'user'`.execute(db)
  t.equal(before.rows.length, 501)
  for (const { id, created_at, position } of before.rows) {
    t.equal(position, positionOfNew(Date.parse(created_at), id))
  }

  const start = Date.now()
  await create('clock_timestamp()')
  const { rows } =
    await sql<Row>`select id, position from task where user_id = 'user' and created_at >= '2022-01-01'`.execute(db)
  t.equal(rows.length, 501)
  for (const { position } of rows) {
    t.match(position, /^V\d{13}[0-9a-f]{8}V$/)
    // The clocks of the test and the server are the same.
    t.ok(Number(position.slice(1, 14)) >= start && Number(position.slice(1, 14)) <= Date.now())
  }
})

t.test('a schema newer than the code is left as it is', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await migrateUp(db)
  await sql`insert into kysely_migration (name, timestamp) values ('9999_from_the_future', now()::text)`.execute(db)
  t.same(await migrateUp(db), [])
})

t.test('a migration that fails rejects with the error and is not recorded', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await sql`create table task (id int)`.execute(db)
  await t.rejects(migrateUp(db), /relation "task" already exists/)
  t.same(await migrationStatus(db).then(all => all.filter(({ executedAt }) => executedAt !== undefined)), [])
})

t.test('a PostgreSQL that is too old is refused', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await t.rejects(requireVersion(db, 990000), /^PostgreSQL 99 or newer is required, but this is 1\d\.\d+/)
})
