/**
 * Migrations beside other processes: several that migrate at once, writers, and a crash during the build of an index.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, onPostgres, randomUser } from '../../scripts/support/service.ts'
import { migrateDown, migrateUp, migrationStatus } from '../../src/database/migrate.ts'
import type { Tables } from '../../src/database/tables.ts'
import { untilWaiting } from '../support/locks.ts'
import { insertTask, openBefore, openEmpty } from '../support/migrations.ts'

/** It builds an index. */
const INDEXES = '0004_one_index_per_sort'

/** Begins a transaction that has written a task. */
async function startWriter(db: Kysely<Tables>) {
  const writer = await db.startTransaction().execute()
  await insertTask(writer)
  return writer
}

/** Calls `onTry` after each attempt to lock; its result replaces that of the attempt. */
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

t.test(
  'several servers that start at once migrate once',
  { skip: !onPostgres && 'PGlite serves one process' },
  async t => {
    await using opened = await openBefore()
    const { config, db } = opened
    await using stack = new AsyncDisposableStack()
    const start = async () => stack.use(await startProcess(environment(config)))
    const servers = await Promise.all([1, 2, 3].map(start))
    await Promise.all(servers.map(({ origin }) => untilHealthy(origin)))
    const id = randomUser()
    const users = await Promise.all(servers.map(({ origin }) => client(origin).newUser({ id })))
    await Promise.all(users.map(user => user.createTask({ title: 'A task' })))
    const { rows } = await sql`select name from kysely_migration`.execute(db)
    t.equal(rows.length, (await migrationStatus(db)).length)
    t.same(await invalidIndexes(db), [])
  },
)

t.test('a process that finds another one migrating waits, and migrates nothing', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  // PGlite has one session: another database stands in for the session that locks.
  await using other = await openEmpty()
  let tries = 0
  const quick = watchLock(other.db, async () => {
    tries += 1
    if (tries === 1) t.not((await migrateUp(db)).length, 0)
    return tries > 1
  })
  t.same(await migrateUp(db, quick), [])
  t.equal(tries, 2)
})

t.test('waiting for another process that migrates ends on a signal', async t => {
  await using opened = await openEmpty()
  const { db } = opened
  await using other = await openEmpty()
  const stopping = new AbortController()
  const quick = watchLock(other.db, async () => {
    stopping.abort()
    return false
  })
  t.same(await migrateUp(db, quick, stopping.signal), [])
  t.ok((await migrationStatus(db)).every(({ executedAt }) => executedAt === undefined))
})

t.test(
  'indexes are built while others write and another process waits to migrate',
  { skip: !onPostgres && 'PGlite has one session' },
  async t => {
    await using opened = await openBefore(INDEXES)
    const { database, db, pending } = opened
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
    t.same(await Promise.all([migrating, waiting]), [pending, []])
    t.same(await invalidIndexes(db), [])
  },
)

t.test('an index left invalid by a crash is rebuilt', { skip: !onPostgres && 'PGlite has one session' }, async t => {
  await using opened = await openBefore(INDEXES)
  const { database, db, pending } = opened
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
  t.same(await database.migrate(migrateUp), pending)
  t.same(await invalidIndexes(db), [])
})

t.test(
  'columns are added between transactions: none waits for the others',
  { skip: !onPostgres && 'PGlite has one session' },
  async t => {
    await using opened = await openBefore('0005_organise')
    const { database, db, pending } = opened
    const writer = await startWriter(db)
    const migrating = database.migrate(migrateUp)
    for (const _ of [1, 2]) {
      await untilWaiting(db, 'alter table task')
      await insertTask(db)
    }
    await writer.commit().execute()
    t.same(await migrating, pending)
  },
)

t.test('a migration that does not get a lock in time is run again, until it does or a signal comes', async t => {
  await using opened = await openBefore('0005_organise')
  const { database, db, pending } = opened
  // A sequence counts the attempts, because it keeps its value when a transaction is rolled back.
  await sql`create sequence attempt minvalue -1000000 start -2`.execute(db)
  await sql`
    create function refuse() returns event_trigger language plpgsql as $$ begin
      if nextval('attempt') < 0 then raise 'refused' using errcode = 'lock_not_available'; end if;
    end $$`.execute(db)
  await sql`
    create event trigger refusal on ddl_command_start when tag in ('ALTER TABLE') execute function refuse()`.execute(db)
  t.same(await database.migrate(migrateUp), pending)
  t.same(await invalidIndexes(db), [])

  await database.migrate(migrateDown)
  await sql`alter sequence attempt restart -1000000`.execute(db)
  const stopping = new AbortController()
  const stopped = database.migrate((db, quick) => migrateUp(db, quick, stopping.signal))
  const isTried = sql<{ tried: boolean }>`select is_called as tried from attempt`
  while (!(await isTried.execute(db)).rows[0]?.tried) await sleep(5)
  stopping.abort()
  t.same(await stopped, [])
})
