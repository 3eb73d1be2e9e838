/**
 * Migrations beside other processes: several that migrate at once, writers, and a crash during the build of an index.
 */
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { environment, startProcess, untilHealthy } from '../../scripts/support/process.ts'
import { client, onPostgres, randomUser } from '../../scripts/support/service.ts'
import { migrateUp, migrationStatus } from '../../src/database/migrate.ts'
import type { Tables } from '../../src/database/tables.ts'
import { untilWaiting } from '../support/locks.ts'
import { insertTask, openBeforeLast, openEmpty } from '../support/migrations.ts'

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
    await using opened = await openBeforeLast()
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
    await using opened = await openBeforeLast()
    const { database, db, last } = opened
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

t.test('an index left invalid by a crash is rebuilt', { skip: !onPostgres && 'PGlite has one session' }, async t => {
  await using opened = await openBeforeLast()
  const { database, db, last } = opened
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
